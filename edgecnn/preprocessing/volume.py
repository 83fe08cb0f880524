"""From a voxel grid to the tensor a 3-D network wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import (
    FloatArray,
    Preprocessing,
    check_sizes,
    check_statistics,
    standardize,
)
from edgecnn.preprocessing.resample import resample


@dataclass(frozen=True)
class VolumePreprocessing(Preprocessing):
    """Voxels (d, h, w) or (d, h, w, channels) → float32 (depth, height, width, channels).

    A grid that is nowhere larger than the tensor is centered in it among zeros, as Maturana 2015
    places objects of 24 to 30 voxels in a field of 32; a larger one is resampled to its size.
    Then values become (x × scale − mean) / std.
    """

    depth: int
    height: int
    width: int
    channels: int = 1
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    kind: ClassVar[str] = "volume"
    layout: ClassVar[str] = "NDHWC"

    def __post_init__(self) -> None:
        check_sizes(
            "a volume tensor",
            depth=self.depth,
            height=self.height,
            width=self.width,
            channels=self.channels,
        )
        check_statistics(self.mean, self.std, self.channels)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(depth, height, width, channels) of the tensor."""
        return (self.depth, self.height, self.width, self.channels)

    def __call__(self, sample: Any) -> FloatArray:
        """One grid (d, h, w) or (d, h, w, channels) → float32 `shape`."""
        voxels = np.asarray(sample)
        if voxels.ndim == 3:
            voxels = voxels[..., None]
        if voxels.ndim != 4 or 0 in voxels.shape or voxels.shape[3] != self.channels:
            raise InputError(
                f"a volume is (depth, height, width) or (depth, height, width, {self.channels}), "
                f"received: {np.shape(sample)}"
            )
        return standardize(self._fit(voxels.astype(np.float32)), self.scale, self.mean, self.std)

    def _fit(self, voxels: FloatArray) -> FloatArray:
        spare = [target - size for target, size in zip(self.shape, voxels.shape, strict=True)]
        if min(spare) < 0:
            for axis in range(3):
                voxels = resample(voxels, axis, self.shape[axis])
            return voxels
        return np.pad(voxels, [(more // 2, more - more // 2) for more in spare])
