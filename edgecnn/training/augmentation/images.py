"""Images: moved, turned, zoomed, lit and covered a little, whole batches at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names
from edgecnn.preprocessing import FloatArray
from edgecnn.registry import require

Generator = np.random.Generator


@dataclass(frozen=True)
class ImageAugmentation:
    """How far each change may go, either way.

    `pixels` shifts by whole pixels; the others are one affine map with bilinear
    interpolation: `shift` is a share of the side, `zoom` and `shear` are shares, `degrees`
    turn. `brightness` is a share of the range from black to white, `contrast` and `color`
    (brightness for each channel) are shares too. `cutout` covers a square of up to that share
    of the side with the image's mean (DeVries 2017) in every other image. `mirror` swaps
    left and right in every other image. What moves in is the image's own edge.

    `scale`, `mean` and `std` are the preprocessing's: the tensor is (pixel × scale − mean) / std.
    """

    pixels: int = 0
    shift: float = 0.0
    degrees: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    color: float = 0.0
    cutout: float = 0.0
    mirror: bool = False
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def adapted(self, preprocessing: Any, *, mirror: bool) -> ImageAugmentation:
        """The same changes for tensors of this preprocessing.

        Where each image has its own contrast, three deviations either way stand for black
        and white.
        """
        if getattr(preprocessing, "contrast", "as_is") == "picture":
            return replace(self, mirror=mirror, scale=6 / 255, mean=(3.0,), std=(1.0,))
        values = {
            name: getattr(preprocessing, name)
            for name in ("scale", "mean", "std")
            if hasattr(preprocessing, name)
        }
        return replace(self, mirror=mirror, **values)

    @property
    def changes_something(self) -> bool:
        return bool(self.pixels or self._warps or self._lights or self.cutout or self.mirror)

    @property
    def _warps(self) -> bool:
        return bool(self.shift or self.degrees or self.zoom or self.shear)

    @property
    def _lights(self) -> bool:
        return bool(self.brightness or self.contrast or self.color)

    def __call__(self, tensors: npt.NDArray[Any], rng: Generator) -> npt.NDArray[Any]:
        """float32 (batch, height, width, channels), at most 4 channels → the same shape."""
        if self.pixels:
            tensors = random_shift(tensors, self.pixels, rng)
        flipped = rng.random(len(tensors)) < 0.5 if self.mirror else np.zeros(len(tensors), bool)
        if self._warps:
            maps = self._maps(tensors.shape, rng)
            maps[flipped, 0] *= -1
            changed = warp(tensors, maps)
        else:
            changed = np.array(tensors, np.float32, order="C")
            changed[flipped] = tensors[flipped, :, ::-1]
        if self._lights:
            self._light(changed, rng)
        if self.cutout:
            _cover(changed, self.cutout, rng)
        return changed

    def _maps(self, shape: tuple[int, ...], rng: Generator) -> FloatArray:
        """(batch, 2, 3): from a pixel's (x, y, 1), seen from the middle, to where it is taken."""
        count, height, width = shape[:3]
        angle = np.radians(rng.uniform(-self.degrees, self.degrees, count))
        bound = np.log1p(self.zoom)
        size = np.exp(rng.uniform(-bound, bound, count))
        shear = rng.uniform(-self.shear, self.shear, count)
        cos, sin = np.cos(angle) * size, np.sin(angle) * size
        right, down = rng.uniform(-self.shift, self.shift, (2, count))
        maps = [cos, shear * cos - sin, right * width, sin, shear * sin + cos, down * height]
        return np.stack(maps, axis=1).reshape(count, 2, 3).astype(np.float32)

    def _light(self, tensors: FloatArray, rng: Generator) -> None:
        """pixel → contrast × (pixel − its image's mean) + that mean + brightness, clipped.

        In place, and a row of pixels at a time: numpy is slow along an axis of three channels.
        """
        count, height, width, channels = tensors.shape
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        white = 255 * self.scale
        bound = np.log1p(self.contrast)
        contrast = np.exp(rng.uniform(-bound, bound, (count, 1)))
        brighter = rng.uniform(-self.brightness, self.brightness, (count, 1))
        tint = rng.uniform(-self.color, self.color, (count, channels))
        rows = tensors.reshape(count, height, width * channels)
        middle = rows.mean(axis=1).reshape(count, width, channels).mean(axis=1)
        offset = (1 - contrast) * middle + (brighter + tint) * white / std

        def along(values: npt.NDArray[Any]) -> FloatArray:
            """(…, 1 or channels) → (…, 1, width × channels)."""
            each = np.broadcast_to(values, (*values.shape[:-1], channels)).astype(np.float32)
            return np.tile(each, width)[..., None, :]

        rows *= contrast.astype(np.float32)[:, None]
        rows += along(offset)
        np.clip(rows, along((0 - mean) / std), along((white - mean) / std), out=rows)


def random_shift(tensors: FloatArray, pixels: int, rng: Generator) -> FloatArray:
    """Move each image of (batch, height, width, channels) by up to `pixels` either way.

    What moves in is the image's own edge, which for a digit on paper is paper.
    """
    count, height, width = tensors.shape[:3]
    down, right = rng.integers(-pixels, pixels + 1, (2, count))
    rows = np.clip(np.arange(height) + down[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) + right[:, None], 0, width - 1)
    images = np.arange(count)[:, None, None]
    return np.asarray(tensors[images, rows[:, :, None], columns[:, None, :]])


def warp(tensors: npt.NDArray[Any], maps: FloatArray) -> FloatArray:
    """Affine maps (batch, 2, 3) of (batch, height, width, channels), bilinear.

    A map takes a pixel's place in the result, from the middle of the image, to its place in
    the source; beyond the edge the edge is repeated. At most 4 channels.
    """
    cv2 = require("cv2", "opencv")
    count, height, width = tensors.shape[:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    corner = np.array(maps, np.float64)  # the same maps, but from the image's corner
    corner[:, :, 2] += middle - corner[:, :, :2] @ middle
    warped = np.empty(tensors.shape, np.float32)
    for index in range(count):
        cv2.warpAffine(
            tensors[index],
            corner[index],
            (width, height),
            dst=warped[index],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return warped


def _cover(tensors: FloatArray, share: float, rng: Generator) -> None:
    """In place."""
    count, height, width = tensors.shape[:3]
    sides = np.rint(rng.uniform(0.5, 1.0, count) * share * min(height, width)).astype(int)
    sides[rng.random(count) < 0.5] = 0
    places = rng.random((count, 2))
    for index in np.flatnonzero(sides):
        side = sides[index]
        top = int(places[index, 0] * (height - side + 1))
        left = int(places[index, 1] * (width - side + 1))
        middle = tensors[index].mean(axis=(0, 1))
        tensors[index, top : top + side, left : left + side] = middle


__getattr__ = old_names(__name__, {"Images": "ImageAugmentation"})
