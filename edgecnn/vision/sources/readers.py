"""Opening a source and reading it frame by frame: the only place that talks to cameras."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.registry import require
from edgecnn.vision.opencv import as_bgr, quiet_cv2
from edgecnn.vision.sources import Source, cameras
from edgecnn.vision.sources.containers import only_sound
from edgecnn.vision.sources.frames import Read, Reader
from edgecnn.vision.sources.image_files import ImageFileReader

BREAK_SECONDS, BREAK_SHARE = 0.5, 0.05
"""A file that ends so much sooner than it says (by both) has broken off; less may be rounding."""
LIVE_BUFFER = 1
DAMAGED_IN_A_ROW = 250
"""Frames of a file that may fail one after another before the rest is given up."""


def open_reader(
    source: Source, *, timeout_s: float = 10.0, enough: tuple[int, int] | None = None
) -> Reader:
    """Open a source. May block as long as the driver or the network takes. Large JPEG files are
    decoded no larger than an input of `enough` (height, width) needs them.

    Raises InputError where there is nothing to open, MissingDependencyError and
    UnsupportedError where this machine lacks what the source needs.
    """
    if source.kind == "synthetic":
        from edgecnn.vision.sources.street import open_street

        return open_street(source.address)
    if source.kind == "picamera":
        return PiCamera(source)
    if source.kind == "pictures":
        return ImageFileReader(source, enough=enough)
    return VideoReader(source, timeout_s)


class VideoReader:
    """A camera, a video file, a stream or a GStreamer pipeline through OpenCV."""

    def __init__(self, source: Source, timeout_s: float) -> None:
        cv2 = quiet_cv2()
        self._cv2 = cv2
        self._source = source
        self._capture = _open(cv2, source, timeout_s)
        if not self._capture.isOpened():
            raise _not_opened(cv2, source)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else 0.0
        count = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        known = not source.live and math.isfinite(count) and 0 < count < 1e9
        self._expected = int(count) if known else 0
        self._read = 0
        self._damaged = 0
        self._seconds = 0.0
        self.cut_off = ""
        """What a file that ended sooner than it says lacks; empty for others."""

    @property
    def unreadable(self) -> int:
        return self._damaged

    def read(self) -> Read | None:
        """The next frame; raises InputError when a file ends without having given one."""
        ok, image = self._capture.read()
        if not ok and self._expected and self._position() < self._expected:
            ok, image = self._after_damage()
        if not ok:
            self._count_missing()
            if not self._read and not self._source.live:
                raise _no_frame(self._source, self._expected)
            return None
        self._read += 1
        seconds = -1.0
        if not self._source.live:
            milliseconds = float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC))
            seconds = max(milliseconds, 0.0) / 1000
            if seconds == 0.0 and self.fps:
                seconds = (self._read - 1) / self.fps
            self._seconds = seconds
        return as_bgr(image), seconds, ""

    def close(self) -> None:
        self._capture.release()

    def _position(self) -> int:
        return max(self._read, int(self._capture.get(self._cv2.CAP_PROP_POS_FRAMES)))

    def _after_damage(self) -> tuple[bool, Any]:
        """Continue after a damaged place: keep asking for a while, then jump over it second by
        second.
        """
        for _ in range(8):
            ok, image = self._capture.read()
            if ok:
                return ok, image
        step = max(1, round(self.fps or 25))
        target = self._position() + step
        for _ in range(max(1, DAMAGED_IN_A_ROW // step)):
            if target >= self._expected:
                break
            if self._capture.set(self._cv2.CAP_PROP_POS_FRAMES, target):
                ok, image = self._capture.read()
                if ok:
                    return ok, image
            target += step
        return False, None

    def _count_missing(self) -> None:
        self._damaged = max(0, self._expected - self._read)
        if not (self._read and self.fps and self._expected):
            return
        # By the clock: where the rate varies, the number of frames is an estimate.
        stated, seen = self._expected / self.fps, self._seconds + 1 / self.fps
        if self._damaged and stated - seen > max(BREAK_SECONDS, BREAK_SHARE * stated):
            self.cut_off = (
                f"{self._source} breaks off after {seen:.1f} of {stated:.1f} s "
                f"({self._read} of {self._expected} frames)"
            )


class PiCamera:
    """A Raspberry Pi camera through libcamera (picamera2, a package of Raspberry Pi OS)."""

    fps = 30.0
    unreadable = 0

    def __init__(self, source: Source) -> None:
        try:
            picamera2 = require("picamera2", "opencv")
        except MissingDependencyError as error:
            raise MissingDependencyError(
                "picamera2 is not installed",
                hint="on Raspberry Pi OS: sudo apt install python3-picamera2, and a virtual "
                "environment made with --system-site-packages",
            ) from error
        number = int(source.address.partition(":")[2] or 0)
        try:
            self._camera = picamera2.Picamera2(number)
            # libcamera names formats by the word's byte order: "RGB888" lies as B, G, R.
            wanted = {"format": "RGB888", "size": (640, 480)}
            self._camera.configure(self._camera.create_video_configuration(main=wanted))
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise InputError(
                f"no Raspberry Pi camera {number} ({error})", hint="rpicam-hello --list-cameras"
            ) from error

    def read(self) -> Read | None:
        try:
            image = self._camera.capture_array("main")
        except (RuntimeError, OSError):
            return None
        return as_bgr(image), -1.0, ""

    def close(self) -> None:
        self._camera.stop()
        self._camera.close()


def _open(cv2: Any, source: Source, timeout_s: float) -> Any:
    milliseconds = max(1, int(timeout_s * 1000))
    if source.kind == "camera":
        address = int(source.address) if source.address.isdecimal() else source.address
        capture = cv2.VideoCapture(address)
        if capture.isOpened():
            capture.set(cv2.CAP_PROP_BUFFERSIZE, LIVE_BUFFER)
        return capture
    if source.kind == "gstreamer":
        if not _has_gstreamer(cv2):
            raise UnsupportedError(
                "this OpenCV was built without GStreamer (wheels from PyPI are)",
                hint="use the system's python3-opencv, or give the camera's number or address",
            )
        return cv2.VideoCapture(source.address, cv2.CAP_GSTREAMER)
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        milliseconds,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        milliseconds,
    ]
    return cv2.VideoCapture(source.address, cv2.CAP_FFMPEG, timeouts)


def _has_gstreamer(cv2: Any) -> bool:
    registry = cv2.videoio_registry
    return cv2.CAP_GSTREAMER in registry.getBackends() and registry.hasBackend(cv2.CAP_GSTREAMER)


def _not_opened(cv2: Any, source: Source) -> InputError:
    if source.kind == "camera":
        numbers = cameras()
        seen = f"this machine has: {', '.join(numbers)}" if numbers else "this machine shows none"
        return InputError(
            f"no camera {source.address} ({seen})",
            hint="is it plugged in, free, and may you read /dev/video*? "
            "Without one, try: edgecnn detect synthetic",
        )
    if source.kind == "video":
        if only_sound(Path(source.address)):
            return InputError(
                f"{Path(source.address).name} has sound but no video",
                hint="pass a recording with a video track",
            )
        return InputError(
            f"{Path(source.address).name}: not a video that OpenCV {cv2.__version__} can open",
            hint="the file is damaged, empty, or of an unknown codec; try to play it",
        )
    if source.kind == "gstreamer":
        return InputError(
            "GStreamer could not start the pipeline", hint="try it with gst-launch-1.0 first"
        )
    return InputError(
        f"cannot open {source}",
        hint="is the address right, and does the camera answer? try ffplay or VLC",
    )


def _no_frame(source: Source, expected: int) -> InputError:
    declared = f" of the {expected} that it declares" if expected else ""
    return InputError(
        f"{source}: it can be opened, but not one frame{declared} can be read",
        hint="the file is empty, cut off or of an unknown codec; try to play it, or convert it "
        "with ffmpeg",
    )


def now_ns() -> int:
    """The clock of the whole pipeline."""
    return time.monotonic_ns()
