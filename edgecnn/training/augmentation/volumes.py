"""Solids as voxels: seen from another side, a little elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names


@dataclass(frozen=True)
class VolumeAugmentation:
    """Quarter turns about the vertical, shifts by up to `voxels` either way, a mirror.

    The vertical is the axis `vertical` of one solid (depth, height, width, channels); the
    ModelNet voxels stand on their last one. Quarter turns need the other two equally long.
    """

    voxels: int = 0
    mirror: bool = False
    vertical: int = 2

    def __call__(self, tensors: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """(batch, depth, height, width, channels) → the same shape."""
        first, second = (axis for axis in range(3) if axis != self.vertical)
        turns = rng.integers(0, 4, len(tensors))
        if tensors.shape[1 + first] != tensors.shape[1 + second]:
            turns = turns // 2 * 2  # half turns keep any shape
        mirrored = rng.random(len(tensors)) < (0.5 if self.mirror else 0.0)
        moves = rng.integers(-self.voxels, self.voxels + 1, (len(tensors), 3))
        changed = np.empty_like(tensors)
        for index, solid in enumerate(tensors):
            turned = np.rot90(solid, turns[index], (first, second))
            if mirrored[index]:
                turned = np.flip(turned, first)
            changed[index] = _moved(turned, moves[index])
        return changed


def _moved(solid: npt.NDArray[Any], moves: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Shift by whole voxels; what moves in is empty as the corner voxel is."""
    if not moves.any():
        return solid
    empty = np.broadcast_to(solid[:1, :1, :1], solid.shape).copy()
    pairs = [(int(move), size) for move, size in zip(moves, solid.shape[:3], strict=True)]
    target = tuple(slice(max(move, 0), min(size + move, size)) for move, size in pairs)
    source = tuple(slice(max(-move, 0), min(size - move, size)) for move, size in pairs)
    empty[target] = solid[source]
    return empty


__getattr__ = old_names(__name__, {"Volumes": "VolumeAugmentation"})
