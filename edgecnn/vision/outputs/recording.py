"""A video of what was seen, playable up to the moment of a kill or a full disk."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.system import scratch
from edgecnn.vision.opencv import quiet_cv2
from edgecnn.vision.outputs import fragments
from edgecnn.vision.outputs.growing_file import GrowingFile
from edgecnn.vision.sources.frames import ImageArray

LARGEST_SIDE = 1920
SECONDS_A_FRAGMENT = 1.0
FRAMES_A_FRAGMENT = 60
FALLBACK_S = 1 / 25
LONGEST_FRAME_S = 5.0
"""A camera that was away for an hour leaves five seconds in the video."""
CLOSING_S = 10.0


class Recorder:
    """Writes frames with their own times into an MP4 file, in a thread of its own.

    The first frame decides the size of the video (at most 1920 pixels a side); other sizes are
    fitted into it on black. What lies there with `force` is replaced by the first fragment. When
    the disk is full the recording ends with its last whole fragment and `trouble` says so: the
    camera keeps running.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        path = Path(path)
        if path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
            raise InputError(
                f"--record takes a .mp4 file, received: {path}",
                hint="it is written in fragments, so that it is playable even after a kill",
            )
        self._cv2 = quiet_cv2()
        self._file = GrowingFile(path, force=force, option="--record")
        self.path = path
        self.trouble = ""
        self.note = ""
        """What differs between what was shown and what is recorded; empty without a difference."""
        self.frames = 0
        self._video = _Video(self._cv2, self._file)
        self._queue: queue.Queue[tuple[ImageArray, float] | None] = queue.Queue(4)
        self._thread = threading.Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    def write(self, image: ImageArray, seconds: float) -> None:
        """Add a frame that was taken at `seconds`; waits while the encoder is behind."""
        while not self.trouble and self._thread.is_alive():
            try:
                self._queue.put((image, seconds), timeout=0.1)
            except queue.Full:
                continue
            return

    def close(self) -> None:
        """Write what is left. A video without a frame is removed, one from before stays.

        `trouble` says when the end could not be written.
        """
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.1)
            except queue.Full:
                continue
            break
        self._thread.join(CLOSING_S)
        if self._thread.is_alive():
            self._stop(f"the encoder did not finish within {CLOSING_S:g} s")
        try:
            self._file.close(discard=self._video.fragments == 0)
        except OSError as error:
            self._stop(error.strerror or str(error))
        self._video.remove()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._video.add(*item)
                self.frames += 1
                self.note = self.note or self._video.difference(item[0])
            self._video.flush()
        except (OSError, self._cv2.error) as error:
            self._stop(getattr(error, "strerror", None) or str(error))

    def _stop(self, why: str) -> None:
        outcome = f"{self.path.name} is playable up to here"
        if self._video.fragments == 0:
            outcome = "nothing was recorded"
        self.trouble = self.trouble or f"recording stopped: {why}; {outcome}"


class _Video:
    """Encodes a second at a time and appends it as a fragment."""

    def __init__(self, cv2: Any, file: GrowingFile) -> None:
        self._cv2 = cv2
        self._file = file
        self._folder = scratch.new_folder()
        self._part = self._folder / "part.mp4"
        self._writer: Any = None
        self._size: tuple[int, int] | None = None
        self._times: list[float] = []
        self._ticks = 0
        self.fragments = 0

    def add(self, image: ImageArray, seconds: float) -> None:
        if self._size is None:
            self._size = _video_size(image)
        # A clock that runs backwards (the next file, a camera that came back) starts over.
        begun = self._times and (
            not 0 <= seconds - self._times[0] < SECONDS_A_FRAGMENT
            or len(self._times) >= FRAMES_A_FRAGMENT
        )
        if begun:
            self.flush(until=seconds)
        if self._writer is None:
            self._writer = self._open(self._size)
        self._writer.write(fit(self._cv2, image, self._size))
        self._times.append(seconds)

    def flush(self, until: float | None = None) -> None:
        """Append the frames since the last flush; the last one is shown `until` the next."""
        if self._writer is None or self._size is None:
            return
        self._writer.release()
        self._writer = None
        times, self._times = self._times, []
        try:
            encoded = fragments.read_encoded(self._part.read_bytes())
        except ValueError as error:  # the temporary folder is full, too
            raise OSError(None, "no space for the encoder's temporary file") from error
        durations = _durations(times, until)[: len(encoded.frames)]
        if len(encoded.frames) < len(times):
            raise OSError(None, f"the encoder kept {len(encoded.frames)} of {len(times)} frames")
        data = fragments.fragment(self.fragments + 1, self._ticks, encoded, durations)
        if self.fragments == 0:
            data = fragments.header(encoded.description, *self._size) + data
        self._file.append(data)
        self._ticks += sum(durations)
        self.fragments += 1

    def difference(self, image: ImageArray) -> str:
        """How the video differs from an image that was added to it."""
        size = (image.shape[1], image.shape[0])
        if self._size is None or self._size == size:
            return ""
        return f"recorded in {self._size[0]}×{self._size[1]}, the source has {size[0]}×{size[1]}"

    def remove(self) -> None:
        scratch.remove_folder(self._folder)

    def _open(self, size: tuple[int, int]) -> Any:
        fourcc = self._cv2.VideoWriter.fourcc(*"mp4v")
        writer = self._cv2.VideoWriter(str(self._part), self._cv2.CAP_FFMPEG, fourcc, 30.0, size)
        if not writer.isOpened():
            raise OSError(None, "OpenCV cannot encode video here")
        return writer


def fit(cv2: Any, image: ImageArray, size: tuple[int, int]) -> ImageArray:
    """`image` in an image of (width, height), its aspect kept, on black."""
    width, height = size
    if image.shape[1] == width and image.shape[0] == height:
        return image
    ratio = min(width / image.shape[1], height / image.shape[0])
    inner = (
        max(1, min(width, round(image.shape[1] * ratio))),
        max(1, min(height, round(image.shape[0] * ratio))),
    )
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    interpolation = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=interpolation
    )
    return canvas


def _video_size(image: ImageArray) -> tuple[int, int]:
    """(width, height) even, at least 16 and at most 1920 a side: what encoders take."""
    height, width = image.shape[:2]
    ratio = min(1.0, LARGEST_SIDE / max(height, width))
    return _even(width * ratio), _even(height * ratio)


def _even(side: float) -> int:
    return max(16, round(side) // 2 * 2)


def _durations(times: list[float], until: float | None) -> list[int]:
    """Ticks that each frame is shown."""
    steps = list(np.diff(times))
    usual = float(np.median(steps)) if steps else FALLBACK_S
    last = usual if until is None or until <= times[-1] else until - times[-1]
    return [
        max(1, round(min(max(step, 0.0), LONGEST_FRAME_S) * fragments.TIMESCALE))
        for step in (*steps, last)
    ]
