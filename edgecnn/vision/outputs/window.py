"""A window on this machine's screen, and its keys."""

from __future__ import annotations

import os
import subprocess
import sys

from edgecnn.errors import InputError
from edgecnn.vision.opencv import quiet_cv2
from edgecnn.vision.sources.frames import ImageArray

KEYS = {
    " ": "pause",
    "p": "pause",
    "n": "step",
    ".": "step",
    "s": "save",
    "r": "runtime",
    "m": "model",
    "e": "explain",
    "q": "quit",
    "\x1b": "quit",
}
ESCAPE = "\x1b"
CLOSED = "closed"
"""What `Window.key` says when the window was closed with the mouse."""
HELP = "space pause, n step, s save, r runtime, m model, e explain, q quit"
PROBE_TIMEOUT_S = 30.0
NO_WINDOW = "run with --headless, or with --serve :8080 to watch in a browser"


class Window:
    """Shows images, scaled to the window. Only the main thread may use it.

    Raises InputError where there is no display, or OpenCV was built without windows; the hint is
    `without`, the way that needs none.
    """

    def __init__(self, title: str, *, without: str = NO_WINDOW) -> None:
        check_display(without)
        self._cv2 = quiet_cv2()
        self._title = title
        self._shown = False
        kind = self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO | self._cv2.WINDOW_GUI_NORMAL
        self._cv2.namedWindow(title, kind)

    def show(self, image: ImageArray) -> None:
        if not self._shown:
            height, width = image.shape[:2]
            scale = min(1280 / width, 900 / height, 2.0)
            size = (max(64, int(width * scale)), max(64, int(height * scale)))
            self._cv2.resizeWindow(self._title, *size)
            self._shown = True
        self._cv2.imshow(self._title, image)

    def command(self, wait_ms: int) -> str:
        """What a key stands for that was pressed within `wait_ms`, or an empty string."""
        key = self.key(wait_ms)
        return "quit" if key == CLOSED else KEYS.get(key, "")

    def key(self, wait_ms: int) -> str:
        """The character of a key that was pressed within `wait_ms`, in lower case; CLOSED; or an
        empty string.
        """
        pressed = self._cv2.waitKey(max(1, wait_ms))
        if self._shown and self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) < 1:
            return CLOSED
        return chr(pressed & 0xFF).lower() if pressed >= 0 else ""

    def close(self) -> None:
        self._cv2.destroyAllWindows()
        self._cv2.waitKey(1)


def check_display(without: str = NO_WINDOW) -> None:
    """Raise InputError, with the hint `without`, where no window can be opened.

    Qt ends the whole process when it cannot reach the display, so another process tries.
    """
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise InputError("no display: neither DISPLAY nor WAYLAND_DISPLAY is set", hint=without)
    code = "import cv2; cv2.namedWindow('edgecnn'); cv2.destroyAllWindows()"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError("the display does not respond", hint=without) from error
    if tried.returncode != 0:
        if "not implemented" in tried.stderr:
            raise InputError("this OpenCV was built without windows (headless)", hint=without)
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "the screen"
        raise InputError(f"no window can be opened on display {display}", hint=without)
