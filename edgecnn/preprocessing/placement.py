"""Position of an image within its input tensor, to map boxes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn.deprecation import old_names
from edgecnn.preprocessing.base import FloatArray


@dataclass(frozen=True)
class ImagePlacement:
    """Where an image lies in its tensor: tensor = image × scale + (left, top).

    `height` and `width` are those of the scaled image, the scales those that really took
    place: sizes are whole pixels, so the two differ by a trifle. `left` and `top` are negative
    where the tensor shows a part of the image.
    """

    left: int
    top: int
    height: int
    width: int
    scale_x: float
    scale_y: float

    def to_tensor(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the image → in pixels of the tensor."""
        return np.asarray(xyxy * self._scales() + self._offsets(), np.float32)

    def to_image(self, xyxy: FloatArray) -> FloatArray:
        """Boxes (n, 4) in pixels of the tensor → in pixels of the image."""
        return np.asarray((xyxy - self._offsets()) / self._scales(), np.float32)

    def on(self, canvas: FloatArray, scaled: FloatArray) -> FloatArray:
        """`canvas` (height, width, channels) with the scaled image in its place."""
        canvas[self.top : self.top + self.height, self.left : self.left + self.width] = scaled
        return canvas

    def _scales(self) -> FloatArray:
        return np.asarray([self.scale_x, self.scale_y] * 2, np.float32)

    def _offsets(self) -> FloatArray:
        return np.asarray([self.left, self.top] * 2, np.float32)


__getattr__ = old_names(__name__, {"Placement": "ImagePlacement"})
