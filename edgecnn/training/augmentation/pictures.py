"""Pictures: moved, turned, zoomed, lit and covered a little, whole batches at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.preprocessing import FloatArray

Generator = np.random.Generator


@dataclass(frozen=True)
class Pictures:
    """How far each change may go, either way.

    `pixels` shifts by whole pixels; the others are one affine map with bilinear
    interpolation: `shift` is a share of the side, `zoom` and `shear` are shares, `degrees`
    turn. `brightness` is a share of the range from black to white, `contrast` and `colour`
    (brightness for each channel) are shares too. `cutout` covers a square of up to that share
    of the side with the picture's mean (DeVries 2017) in every other picture. `mirror` swaps
    left and right in every other picture. What moves in is the picture's own edge.

    `scale`, `mean` and `std` are the preprocessing's: the tensor is (pixel × scale − mean) / std.
    """

    pixels: int = 0
    shift: float = 0.0
    degrees: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    cutout: float = 0.0
    mirror: bool = False
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def adapted(self, preprocessing: Any, *, mirror: bool) -> Pictures:
        """The same changes for tensors of this preprocessing.

        Where each picture has its own contrast, three deviations either way stand for black
        and white.
        """
        if getattr(preprocessing, "contrast", "as_is") == "picture":
            return replace(self, mirror=mirror, scale=6 / 255, mean=(3.0,), std=(1.0,))
        given = {
            name: getattr(preprocessing, name)
            for name in ("scale", "mean", "std")
            if hasattr(preprocessing, name)
        }
        return replace(self, mirror=mirror, **given)

    @property
    def changes_something(self) -> bool:
        return bool(self.pixels or self._warps or self._lights or self.cutout or self.mirror)

    @property
    def _warps(self) -> bool:
        return bool(self.shift or self.degrees or self.zoom or self.shear)

    @property
    def _lights(self) -> bool:
        return bool(self.brightness or self.contrast or self.colour)

    def __call__(self, tensors: npt.NDArray[Any], rng: Generator) -> npt.NDArray[Any]:
        """float32 (batch, height, width, channels) → the same shape."""
        if self.pixels:
            tensors = random_shift(tensors, self.pixels, rng)
        if self.mirror:
            flipped = rng.random(len(tensors)) < 0.5
            tensors = np.where(flipped[:, None, None, None], tensors[:, :, ::-1], tensors)
        if self._warps:
            tensors = warp(tensors, self._maps(tensors.shape, rng))
        if self._lights:
            tensors = self._lit(tensors, rng)
        if self.cutout:
            tensors = _covered(tensors, self.cutout, rng)
        return tensors

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

    def _lit(self, tensors: npt.NDArray[Any], rng: Generator) -> npt.NDArray[Any]:
        """pixel → contrast × (pixel − its picture's mean) + that mean + brightness, clipped."""
        count, channels = len(tensors), tensors.shape[3]
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        white = 255 * self.scale
        bound = np.log1p(self.contrast)
        contrast = np.exp(rng.uniform(-bound, bound, (count, 1)))
        brighter = rng.uniform(-self.brightness, self.brightness, (count, 1))
        tint = rng.uniform(-self.colour, self.colour, (count, channels))
        middle = tensors.mean(axis=(1, 2))
        offset = (1 - contrast) * middle + (brighter + tint) * white / std
        factor = contrast.astype(np.float32)[:, None, None]
        lit = tensors * factor + offset.astype(np.float32)[:, None, None]
        return np.asarray(np.clip(lit, (0 - mean) / std, (white - mean) / std, out=lit))


def random_shift(tensors: FloatArray, pixels: int, rng: Generator) -> FloatArray:
    """Move each picture of (batch, height, width, channels) by up to `pixels` either way.

    What moves in is the picture's own edge, which for a digit on paper is paper.
    """
    count, height, width = tensors.shape[:3]
    down, right = rng.integers(-pixels, pixels + 1, (2, count))
    rows = np.clip(np.arange(height) + down[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) + right[:, None], 0, width - 1)
    pictures = np.arange(count)[:, None, None]
    return np.asarray(tensors[pictures, rows[:, :, None], columns[:, None, :]])


def warp(tensors: npt.NDArray[Any], maps: FloatArray) -> npt.NDArray[Any]:
    """Affine maps (batch, 2, 3) of (batch, height, width, channels), bilinear.

    A map takes a pixel's place in the result, from the middle of the picture, to its place in
    the source; beyond the edge the edge goes on.
    """
    count, height, width, channels = tensors.shape
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    from_x = (
        maps[:, 0, 0, None, None] * x
        + (maps[:, 0, 1, None] * y + (maps[:, 0, 2, None] + np.float32((width - 1) / 2)))[
            :, :, None
        ]
    )
    from_y = (
        maps[:, 1, 0, None, None] * x
        + (maps[:, 1, 1, None] * y + (maps[:, 1, 2, None] + np.float32((height - 1) / 2)))[
            :, :, None
        ]
    )
    np.clip(from_x, 0, width - 1, out=from_x)
    np.clip(from_y, 0, height - 1, out=from_y)
    left = np.minimum(from_x.astype(np.int32), max(width - 2, 0))
    top = np.minimum(from_y.astype(np.int32), max(height - 2, 0))
    share_x = (from_x - left)[..., None]
    share_y = (from_y - top)[..., None]
    first = (np.arange(count, dtype=np.int32) * (height * width))[:, None, None]
    index = first + top * np.int32(width) + left
    right = int(width > 1)
    below = width * int(height > 1)
    flat = np.ascontiguousarray(tensors).reshape(-1, channels)
    upper = flat.take(index, axis=0)
    upper += (flat.take(index + right, axis=0) - upper) * share_x
    index += below
    lower = flat.take(index, axis=0)
    lower += (flat.take(index + right, axis=0) - lower) * share_x
    lower -= upper
    lower *= share_y
    upper += lower
    return np.asarray(upper)


def _covered(tensors: npt.NDArray[Any], share: float, rng: Generator) -> npt.NDArray[Any]:
    count, height, width = tensors.shape[:3]
    covered = tensors.copy()
    sides = np.rint(rng.uniform(0.5, 1.0, count) * share * min(height, width)).astype(int)
    sides[rng.random(count) < 0.5] = 0
    places = rng.random((count, 2))
    for index in np.flatnonzero(sides):
        side = sides[index]
        top = int(places[index, 0] * (height - side + 1))
        left = int(places[index, 1] * (width - side + 1))
        covered[index, top : top + side, left : left + side] = tensors[index].mean(axis=(0, 1))
    return covered
