"""A picture inside a frame of another aspect, and the way back for boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecnn.preprocessing.base import FloatArray
from edgecnn.preprocessing.image import ImagePreprocessing
from edgecnn.preprocessing.resample import resize

LETTERBOX_FILL = 114
"""Mid grey beside a letterboxed picture, as detectors have it since YOLOv5."""


@dataclass(frozen=True)
class Placement:
    """Where a letterboxed picture lies in its tensor: tensor = picture × scale + (left, top).

    `height` and `width` are those of the scaled picture, the scales those that really took
    place: sizes are whole pixels, so the two differ by a trifle.
    """

    left: int
    top: int
    height: int
    width: int
    scale_x: float
    scale_y: float

    def to_tensor(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the picture → in pixels of the tensor."""
        return np.asarray(xyxy * self._scales() + self._offsets(), np.float32)

    def to_picture(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the tensor → in pixels of the picture."""
        return np.asarray((xyxy - self._offsets()) / self._scales(), np.float32)

    def _scales(self) -> FloatArray:
        return np.asarray([self.scale_x, self.scale_y] * 2, np.float32)

    def _offsets(self) -> FloatArray:
        return np.asarray([self.left, self.top] * 2, np.float32)


@dataclass(frozen=True)
class LetterboxPreprocessing(ImagePreprocessing):
    """A picture scaled to fit with its aspect kept, centred on grey: what detectors take.

    `place` tells where the picture went, so that boxes find the way back.
    """

    fill: int = LETTERBOX_FILL

    kind: ClassVar[str] = "letterbox"

    def place(self, height: int, width: int) -> Placement:
        """Where a picture of height × width comes to lie."""
        ratio = min(self.height / height, self.width / width)
        rows = min(self.height, max(1, round(height * ratio)))
        columns = min(self.width, max(1, round(width * ratio)))
        left, top = (self.width - columns) // 2, (self.height - rows) // 2
        return Placement(left, top, rows, columns, columns / width, rows / height)

    def _fit(self, pixels: FloatArray) -> FloatArray:
        place = self.place(*pixels.shape[:2])
        if pixels.shape[:2] != (place.height, place.width):
            pixels = resize(pixels, place.height, place.width)
        canvas = np.full(self.shape, self.fill, np.float32)
        canvas[place.top : place.top + place.height, place.left : place.left + place.width] = pixels
        return canvas
