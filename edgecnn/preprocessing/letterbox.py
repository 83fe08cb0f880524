"""An image inside a frame of another aspect, and the way back for boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import FloatArray
from edgecnn.preprocessing.image import ImagePreprocessing
from edgecnn.preprocessing.placement import ImagePlacement
from edgecnn.preprocessing.resample import resize

LETTERBOX_FILL = 114
"""Mid gray around a letterboxed image, as detectors have it since YOLOv5."""

Align = Literal["center", "top_left"]


@dataclass(frozen=True)
class LetterboxPreprocessing(ImagePreprocessing):
    """An image scaled to fit with its aspect kept, on gray: what detectors take.

    It lies in the center of the tensor, or in its left top corner (YOLOX). `place` says where
    the image went, so that boxes find the way back.
    """

    fill: int = LETTERBOX_FILL
    align: Align = "center"

    kind: ClassVar[str] = "letterbox"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.align not in ("center", "top_left"):
            raise InputError(f"align is 'center' or 'top_left', received: {self.align!r}")

    def place(self, height: int, width: int) -> ImagePlacement:
        """Where an image of height × width comes to lie."""
        ratio = min(self.height / height, self.width / width)
        rows = min(self.height, max(1, round(height * ratio)))
        columns = min(self.width, max(1, round(width * ratio)))
        left, top = (self.width - columns) // 2, (self.height - rows) // 2
        if self.align == "top_left":
            left = top = 0
        return ImagePlacement(left, top, rows, columns, columns / width, rows / height)

    def _fit(self, pixels: FloatArray) -> FloatArray:
        place = self.place(*pixels.shape[:2])
        if pixels.shape[:2] != (place.height, place.width):
            pixels = resize(pixels, place.height, place.width)
        return place.on(np.full(self.shape, self.fill, np.float32), pixels)
