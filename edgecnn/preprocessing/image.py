"""From pixels to the tensor a 2-D network wants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import FloatArray, Preprocessing, check_statistics, standardize
from edgecnn.preprocessing.placement import ImagePlacement
from edgecnn.preprocessing.resample import resize

Fit = Literal["stretch", "pad", "crop"]
Contrast = Literal["as_is", "picture"]
Order = Literal["rgb", "bgr"]
LEAST_CROP = 0.1
LEAST_CONTRAST = 0.02
"""Deviation, as a share of the range, below which an image's noise is not blown up further."""
GRAY_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in a gray image (ITU-R BT.601)."""


@dataclass(frozen=True)
class ImagePreprocessing(Preprocessing):
    """uint8 images (height, width, channels) → float32 (height, width, channels).

    An image is brought to `channels` (gray by ITU-R BT.601 weights), fitted to
    `height` × `width`, multiplied by `scale` and then normalized as (x − mean) / std.
    `contrast="picture"` first brings each image to a mean of 0 and a deviation of 1, over all
    of its pixels and channels: what is dark or hazy then looks like what is not, and colors
    stay (P. Sermanet, Y. LeCun 2011 normalize the contrast of traffic signs, too).
    `order="bgr"` swaps red and blue first, as Caffe's networks have it; `mean` and `std` are then
    in that order.
    `fit="stretch"` resizes; `fit="pad"` centers an image that is not larger than the tensor
    on black, as LeCun 1998 places 28×28 digits in a 32×32 field (larger ones are resized).
    `fit="crop"` resizes with the aspect kept until the tensor is the share `crop` of the shorter
    side, and cuts out the center: torchvision's Resize(256) and CenterCrop(224) are 0.875.
    """

    height: int
    width: int
    channels: int
    fit: Fit = "stretch"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    contrast: Contrast = "as_is"
    order: Order = "rgb"
    crop: float = 0.875

    kind: ClassVar[str] = "image"
    layout: ClassVar[str] = "NHWC"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels not in (1, 3):
            raise InputError(
                f"an image tensor is (height, width, 1 or 3), "
                f"received: ({self.height}, {self.width}, {self.channels})"
            )
        if self.fit not in ("stretch", "pad", "crop"):
            raise InputError(f"fit is 'stretch', 'pad' or 'crop', received: {self.fit!r}")
        if not LEAST_CROP <= self.crop <= 1:
            raise InputError(f"crop is a share from {LEAST_CROP} to 1, received: {self.crop}")
        if self.contrast not in ("as_is", "picture"):
            raise InputError(f"contrast is 'as_is' or 'picture', received: {self.contrast!r}")
        if self.order not in ("rgb", "bgr") or (self.order == "bgr" and self.channels != 3):
            raise InputError(
                f"order is 'rgb', or for three channels 'bgr', received: {self.order!r}"
            )
        check_statistics(self.mean, self.std, self.channels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the tensor."""
        return (self.height, self.width, self.channels)

    def __call__(self, sample: npt.NDArray[np.uint8]) -> FloatArray:
        """One uint8 image (h, w) or (h, w, 1|3|4) → float32 (height, width, channels)."""
        return standardize(self._fitted(sample), self.scale, self.mean, self.std)

    def batch(self, samples: Iterable[npt.NDArray[np.uint8]]) -> FloatArray:
        """Images, one at a time in memory → (batch, height, width, channels)."""
        fitted = np.stack([self._fitted(sample) for sample in samples])
        return standardize(fitted, self.scale, self.mean, self.std)

    def _fitted(self, sample: npt.NDArray[np.uint8]) -> FloatArray:
        pixels = _to_channels(np.asarray(sample), self.channels)
        if self.order == "bgr":
            pixels = pixels[:, :, ::-1]
        fitted = self._fit(pixels.astype(np.float32))
        return _evened(fitted, self.scale) if self.contrast == "picture" else fitted

    def place(self, height: int, width: int) -> ImagePlacement:
        """Where an image of height × width comes to lie in the tensor; `fit="crop"` leaves parts
        of it outside.
        """
        if self.fit == "pad" and height <= self.height and width <= self.width:
            left, top = (self.width - width) // 2, (self.height - height) // 2
            return ImagePlacement(left, top, height, width, 1.0, 1.0)
        rows, columns = self.height, self.width
        if self.fit == "crop":
            ratio = max(
                round(self.height / self.crop) / height, round(self.width / self.crop) / width
            )
            rows = max(self.height, int(height * ratio + 1e-6))
            columns = max(self.width, int(width * ratio + 1e-6))
        return ImagePlacement(
            -round((columns - self.width) / 2),
            -round((rows - self.height) / 2),
            rows,
            columns,
            columns / width,
            rows / height,
        )

    def _fit(self, pixels: FloatArray) -> FloatArray:
        place = self.place(*pixels.shape[:2])
        if pixels.shape[:2] != (place.height, place.width):
            pixels = resize(pixels, place.height, place.width)
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        if self.fit == "crop":
            return pixels[
                -place.top : -place.top + self.height, -place.left : -place.left + self.width
            ]
        return place.on(np.zeros(self.shape, np.float32), pixels)


def _evened(pixels: FloatArray, scale: float) -> FloatArray:
    """Pixels whose multiples by `scale` have a mean of 0 and a deviation of 1."""
    deviation = max(float(pixels.std()) * scale, LEAST_CONTRAST)
    return np.asarray((pixels - pixels.mean()) / np.float32(deviation), np.float32)


def _to_channels(image: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[Any]:
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(
            f"an image is (height, width) or (height, width, 1|3|4), received: {image.shape}"
        )
    if image.shape[2] == 4:
        image = image[:, :, :3]
    if image.shape[2] == channels:
        return image
    if channels == 1:
        gray = image.astype(np.float32) @ np.asarray(GRAY_WEIGHTS, np.float32)
        return gray[:, :, None]
    return np.repeat(image, 3, axis=2)
