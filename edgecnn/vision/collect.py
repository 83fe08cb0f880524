"""Collecting labeled images from a source into FOLDER/LABEL/*.png, ready for training.

In a window a person decides: one key takes an image, others choose its label. Without one an
image is taken each interval: on the clock for cameras and streams, by its own time for a video,
every one of a folder.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.vision.opencv import quiet_cv2
from edgecnn.vision.outputs.window import CLOSED, ESCAPE, Window
from edgecnn.vision.overlay import FAINT, FOUND, PAPER, WARNING, Text, darken
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.capture import Capture, Patience
from edgecnn.vision.sources.frames import Frame, ImageArray

EVERY_S = 0.5
MIN_DIFFERENCE = 2.0
"""Noise of 10 levels at each pixel of 640×480 changes the thumbnail by 0.6; a still scene stays
below this, one that moved does not.
"""
DIGITS = "1234567890"
HELP = "space takes one, n next, q ends"
NO_WINDOW = "run with --headless and one --label to take an image every --every"
LONGEST_LABEL_BYTES = 200
NEVER_IN_A_NAME = '/\\:*?"<>|'
"""Of a folder on any system: data sets travel."""
_THUMBNAIL = (32, 24)
_POLL_MS = 30
_READ_S = 10.0
"""Nothing here is real-time: a slow machine or camera gets time for its first frame."""
_WINDOW_RETURN_S = 10.0
"""A window does not answer while a lost camera is waited for: not as long as without one."""


@dataclass(frozen=True)
class CollectSettings:
    """What to collect. `count` images at most, of all labels together.

    An image whose mean absolute difference (0 … 255, of gray thumbnails) to the last one
    taken with its label is below `min_difference` is left out.
    """

    source: Source
    labels: tuple[str, ...]
    out: Path
    every_s: float = EVERY_S
    count: int | None = None
    min_difference: float = MIN_DIFFERENCE
    window: bool = True


class ImageCollector:
    """One run. `run` returns when the source ends, `count` is reached or somebody quits.

    Raises InputError for labels that are not a folder's name, more than one without a window, or
    more than there are digit keys.
    """

    def __init__(self, settings: CollectSettings, say: Callable[[str], None]) -> None:
        _check(settings)
        self.taken: Counter[str] = Counter()
        self.left_out = 0
        self.cut_off = ""
        """What a video that breaks off lacks, once `run` has returned."""
        self._settings = settings
        self._say = say
        self._folders = {label: LabelFolder(settings.out / label) for label in settings.labels}
        self._last: dict[str, npt.NDArray[np.int16]] = {}
        self._label = settings.labels[0]
        self._notice = ""

    def run(self) -> None:
        """Open the source and collect.

        Raises InputError where there is no display, the source cannot be opened or goes away,
        or an image cannot be written; what was written stays.
        """
        settings = self._settings
        window = Window("edgecnn data capture", without=NO_WINDOW) if settings.window else None
        patience = Patience(read_s=_READ_S)
        if window is not None:
            patience = replace(patience, return_s=_WINDOW_RETURN_S)
        capture = Capture(settings.source, patience=patience)
        try:
            capture.start()
            if window is None:
                self._collect_by_clock(capture)
            else:
                self._collect_by_hand(capture, window)
        finally:
            capture.close()
            self.cut_off = capture.cut_off
            if window is not None:
                window.close()

    def lines(self) -> list[str]:
        """What was collected, for the user."""
        total = self.taken.total()
        of_each = ", ".join(f"{label} {self.taken[label]}" for label in self._settings.labels)
        lines = [f"{total} images in {self._settings.out} ({of_each})"]
        if self.left_out:
            lines.append(
                f"{self.left_out} left out: nearly the same as the one before "
                f"(--min-difference {self._settings.min_difference:g})"
            )
        return lines

    @property
    def _full(self) -> bool:
        count = self._settings.count
        return count is not None and self.taken.total() >= count

    def _collect_by_clock(self, capture: Capture) -> None:
        due_s = 0.0
        while not self._full:
            frame = capture.next()
            if frame is None:
                self._say(f"{capture.source} has ended")
                return
            if not capture.source.continuous:
                self._take(frame.image)
            elif frame.seconds >= due_s:
                self._take(frame.image)
                due_s = frame.seconds + self._settings.every_s

    def _collect_by_hand(self, capture: Capture, window: Window) -> None:
        began: float | None = None
        while not self._full:
            frame = capture.next()
            if frame is None:
                self._say(f"{capture.source} has ended")
                return
            if began is None:
                began = time.monotonic() - frame.seconds
            if not self._show(window, frame, self._until(frame, began)):
                return

    def _until(self, frame: Frame, began: float) -> float:
        """When the next frame may come: a video keeps its pace, an image waits for a key."""
        if self._settings.source.live:
            return 0.0
        return began + frame.seconds if self._settings.source.continuous else float("inf")

    def _show(self, window: Window, frame: Frame, until: float) -> bool:
        """Show a frame and do what the keys say; False when somebody quits."""
        while True:
            window.show(self._drawn(frame.image))
            key = window.key(_POLL_MS if until > time.monotonic() else 1)
            if key in ("q", ESCAPE, CLOSED):
                return False
            if key == " ":
                self._take(frame.image)
            elif key and key in DIGITS[: len(self._settings.labels)]:
                self._label, self._notice = self._settings.labels[DIGITS.index(key)], ""
            waits = until == float("inf")
            if self._full or (waits and key in (" ", "n")) or time.monotonic() >= until:
                return True

    def _take(self, image: ImageArray) -> None:
        label = self._label
        small = _thumbnail(image)
        last = self._last.get(label)
        if last is not None:
            difference = float(np.abs(small - last).mean())
            if difference < self._settings.min_difference:
                self.left_out += 1
                self._notice = f"left out: differs by {difference:.1f} from the last one"
                return
        path = self._folders[label].add(image)
        self._last[label] = small
        self.taken[label] += 1
        self._notice = f"{label}/{path.name}"
        self._say(str(path))

    def _drawn(self, image: ImageArray) -> ImageArray:
        """A copy with labels, counts and the notice on it; the image itself stays clean."""
        canvas = image.copy()
        text = Text(canvas)
        several = len(self._settings.labels) > 1
        rows = [
            (f"{f'{DIGITS[at]}  ' if several else ''}{label}  {self._folders[label].count}",
             FOUND if label == self._label else FAINT)
            for at, label in enumerate(self._settings.labels)
        ]  # fmt: skip
        rows.append((HELP, PAPER))
        if self._notice:
            rows.append((self._notice, WARNING))
        pad = text.line // 2
        lines = [(text.shortened(row, canvas.shape[1] - 4 * pad), ink) for row, ink in rows]
        wide = max(text.width(line) for line, _ in lines)
        darken(canvas, (pad, pad, wide + 3 * pad, len(lines) * text.line + 2 * pad))
        for number, (line, ink) in enumerate(lines, start=1):
            text.put(line, 2 * pad, pad + number * text.line, ink)
        return canvas


class LabelFolder:
    """A label's images, numbered on from those that lie there: 00001.png, 00002.png, …"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = [path.stem for path in folder.iterdir()] if folder.is_dir() else []
        numbers = [int(name) for name in names if name.isascii() and name.isdecimal()]
        self.count = sum(not name.startswith(".") for name in names)
        self._number = max(numbers, default=0)

    def add(self, image: ImageArray) -> Path:
        """Write (height, width, 3) BGR; the file is there whole or not at all.

        Raises InputError when it cannot be written.
        """
        path = self._next()
        _, data = quiet_cv2().imencode(".png", image)
        with atomic_path(path) as unfinished:
            unfinished.write_bytes(data.tobytes())
        self.count += 1
        return path

    def _next(self) -> Path:
        while True:
            self._number += 1
            path = self._folder / f"{self._number:05d}.png"
            if not path.exists():  # another run into this folder, at the same time
                return path


def _thumbnail(image: ImageArray) -> npt.NDArray[np.int16]:
    """(24, 32) gray, 0 … 255: each pixel the mean of its part, so that noise averages out."""
    cv2 = quiet_cv2()
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(gray, _THUMBNAIL, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.int16)


def _check(settings: CollectSettings) -> None:
    labels = settings.labels
    if not labels:
        raise InputError("no label given", hint="--label NAME, or --label NAME,OTHER")
    for label in labels:
        _check_label(label)
    twice = next((label for label, times in Counter(labels).items() if times > 1), None)
    if twice is not None:
        raise InputError(f"label {twice!r} is given twice")
    if not settings.window and len(labels) > 1:
        raise InputError(
            f"without a window images get one label, received: {', '.join(labels)}",
            hint="run once for each label",
        )
    if len(labels) > len(DIGITS):
        raise InputError(f"{len(labels)} labels, but only {len(DIGITS)} digit keys choose one")


def _check_label(label: str) -> None:
    """Raise InputError unless `label` is the name of one plain folder, here and elsewhere."""
    if (
        not label.isprintable()
        or label.startswith(".")
        or set(label) & set(NEVER_IN_A_NAME)
        or len(label.encode()) > LONGEST_LABEL_BYTES
    ):
        raise InputError(
            f"a label becomes a folder's name, received: {label[:60]!r}",
            hint=f"no leading dot, none of {NEVER_IN_A_NAME}, at most {LONGEST_LABEL_BYTES} bytes",
        )
