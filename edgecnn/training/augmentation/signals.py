"""Signals and sound: earlier or later, louder or softer, noisier, faster or slower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names


@dataclass(frozen=True)
class SignalAugmentation:
    """`shift` is a share of the length either way, `gain` and `speed` shares of the signal's
    own (0.3: from ÷1.3 to ×1.3), `noise` the deviation of white noise as a share of the
    signal's. What moves in is silence (0).
    """

    shift: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    speed: float = 0.0

    def __call__(self, tensors: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """float32 (batch, length, channels) → the same shape."""
        count, length = tensors.shape[:2]
        rates = _factors(self.speed, count, rng)
        moves = np.rint(rng.uniform(-self.shift, self.shift, count) * length)
        changed = _resampled(tensors, rates, moves) if self.speed else _moved(tensors, moves)
        changed *= _factors(self.gain, count, rng)[:, None, None]
        if self.noise:
            loudness = changed.std(axis=(1, 2), keepdims=True)
            changed += rng.standard_normal(changed.shape, np.float32) * (self.noise * loudness)
        return changed


def _factors(most: float, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(count,) factors between 1 / (1 + most) and 1 + most, evenly in their logarithm."""
    bound = np.log1p(most)
    return np.exp(rng.uniform(-bound, bound, count)).astype(np.float32)


def _moved(tensors: npt.NDArray[Any], moves: npt.NDArray[Any]) -> npt.NDArray[Any]:
    moved = np.zeros_like(tensors)
    length = tensors.shape[1]
    for index, move in enumerate(moves.astype(int)):
        start, stop = max(move, 0), min(length + move, length)
        moved[index, start:stop] = tensors[index, start - move : stop - move]
    return moved


def _resampled(
    tensors: npt.NDArray[Any], rates: npt.NDArray[np.float32], moves: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Linear interpolation: a rate above 1 plays faster."""
    length = tensors.shape[1]
    positions = (np.arange(length)[None] - moves[:, None]) * rates[:, None]
    outside = (positions < 0) | (positions > length - 1)
    below = np.clip(np.floor(positions).astype(np.int64), 0, length - 1)
    above = np.minimum(below + 1, length - 1)
    weights = (positions - below).astype(np.float32)[..., None]
    rows = np.arange(len(tensors))[:, None]
    played = tensors[rows, below] * (1 - weights) + tensors[rows, above] * weights
    played[outside] = 0
    return np.asarray(played, tensors.dtype)


__getattr__ = old_names(__name__, {"Signals": "SignalAugmentation"})
