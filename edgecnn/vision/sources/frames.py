"""Frames of a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
"""(height, width, 3) uint8, BGR as OpenCV has it."""


@dataclass(frozen=True)
class Frame:
    """An image with its place in time.

    `number` counts the frames that the source gave, dropped ones included. `captured_ns` is
    time.monotonic_ns() when the source handed it out. `seconds` is its time in the video, or
    since the source was first opened. `name` is the file's name where each frame is a file, and
    `whole` the (height, width) of the image in it where `image` was decoded smaller.
    """

    image: ImageArray
    number: int
    captured_ns: int
    seconds: float
    name: str = ""
    whole: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), of the image in its file."""
        height, width = self.whole or self.image.shape[:2]
        return (width, height)


Read = tuple[ImageArray, float, str]
"""An image, its time in seconds (negative: take the clock's) and its file's name, if any."""


class Reader(Protocol):
    """An opened source. `read` returns None when it has ended, and may block."""

    fps: float
    """Frames per second as the source states them, 0 when it does not."""

    def read(self) -> Read | None: ...

    def close(self) -> None: ...

    @property
    def unreadable(self) -> int:
        """Frames or files that were damaged and left out."""
