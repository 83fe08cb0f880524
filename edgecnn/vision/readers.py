"""Opening a source and reading it frame by frame: the only place that talks to cameras."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.registry import require
from edgecnn.vision.frames import Picture, Read, Reader
from edgecnn.vision.sources import Source, cameras

LARGEST_PIXELS = 100_000_000
"""A picture above is left out: 300 MB for one frame is no camera's."""
LIVE_BUFFER = 1
DAMAGED_IN_A_ROW = 250
"""Frames of a file that may fail one after another before the rest is given up."""


def open_reader(source: Source, *, timeout_s: float = 10.0) -> Reader:
    """Open a source. May block as long as the driver or the network takes.

    Raises InputError where there is nothing to open, MissingDependencyError and
    UnsupportedError where this machine lacks what the source needs.
    """
    if source.kind == "synthetic":
        from edgecnn.vision.street import open_street

        return open_street(source.address)
    if source.kind == "picamera":
        return PiCamera(source)
    if source.kind == "pictures":
        return PictureReader(source)
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

    @property
    def unreadable(self) -> int:
        return self._damaged

    def read(self) -> Read | None:
        ok, image = self._capture.read()
        if not ok and self._expected and self._position() < self._expected:
            ok, image = self._after_damage()
        if not ok:
            self._count_missing()
            return None
        self._read += 1
        seconds = -1.0
        if not self._source.live:
            milliseconds = float(self._capture.get(self._cv2.CAP_PROP_POS_MSEC))
            seconds = max(milliseconds, 0.0) / 1000
            if seconds == 0.0 and self.fps:
                seconds = (self._read - 1) / self.fps
        return as_bgr(image), seconds, ""

    def close(self) -> None:
        self._capture.release()

    def _position(self) -> int:
        return max(self._read, int(self._capture.get(self._cv2.CAP_PROP_POS_FRAMES)))

    def _after_damage(self) -> tuple[bool, Any]:
        """Go on behind a damaged place: ask on for a while, then jump over it second by second."""
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


class PictureReader:
    """Picture files one after another; a damaged one is left out and counted."""

    fps = 0.0

    def __init__(self, source: Source) -> None:
        self._cv2 = quiet_cv2()
        self._paths = iter(source.paths)
        self._count = len(source.paths)
        self._damaged: list[Path] = []
        self._index = -1

    @property
    def unreadable(self) -> int:
        return len(self._damaged)

    def read(self) -> Read | None:
        for path in self._paths:
            self._index += 1
            image = self._decode(path)
            if image is not None:
                return image, float(self._index), path.name
            self._damaged.append(path)
        if len(self._damaged) == self._count:
            raise InputError(
                f"none of {self._count} pictures could be decoded, first: {self._damaged[0].name}",
                hint="the files are damaged, empty or not pictures",
            )
        return None

    def close(self) -> None:
        self._paths = iter(())

    def _decode(self, path: Path) -> Picture | None:
        try:
            data = np.fromfile(path, np.uint8)
        except OSError:
            return None
        if data.size == 0:
            return None
        try:  # IMREAD_COLOR turns grey, alpha, 16 bits and EXIF rotation into upright BGR
            image = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR)
        except self._cv2.error:  # more pixels than OpenCV allows
            return None
        if image is None or image.shape[0] * image.shape[1] > LARGEST_PIXELS:
            return None
        return as_bgr(image)


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


def quiet_cv2() -> Any:
    """OpenCV, with its and FFmpeg's logs off: what goes wrong is said here, in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_VIDEOIO_DEBUG", "0")
    cv2 = require("cv2", "opencv")
    logging = cv2.utils.logging
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    return cv2


def as_bgr(image: Any) -> Picture:
    """(h, w), (h, w, 1) or (h, w, 4) of any camera → (h, w, 3) uint8, contiguous."""
    array = np.asarray(image)
    if array.dtype != np.uint8:
        array = (array >> 8 if array.dtype == np.uint16 else np.clip(array, 0, 255)).astype(
            np.uint8
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3])


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
        known = cameras()
        seen = f"this machine has: {', '.join(known)}" if known else "this machine shows none"
        return InputError(
            f"no camera {source.address} ({seen})",
            hint="is it plugged in, free, and may you read /dev/video*? "
            "Without one, try: edgecnn detect synthetic",
        )
    if source.kind == "video":
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
        hint="is the address right, and does the camera answer? ffplay or VLC can tell",
    )


def now_ns() -> int:
    """The clock of the whole pipeline."""
    return time.monotonic_ns()
