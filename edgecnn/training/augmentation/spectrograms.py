"""Spectrograms of sound: earlier or later, faster or slower, from a larger or smaller mouth, by
another microphone, noisy, and with stretches and bands missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_POINTS = 6


@dataclass(frozen=True)
class Spectrograms:
    """For tensors of 0 (silence) to 1 (the loudest); what moves in is silence.

    `shift` is a share of the frames either way, `stretch` a share of the tempo (0.25: from
    ÷1.25 to ×1.25). `bands` moves everything up or down by so many bands at most: on the mel
    scale that is a shorter or longer vocal tract (N. Jaitly and G. Hinton 2013), which is what
    makes one voice another. `color` makes what sounds louder or softer by so much at most, at
    six points from the lowest band to the highest and straight between them, as microphones and
    rooms do (H. Nam et al. 2022), `floor` is how high background noise may reach, `noise` the
    deviation of what is added. `frames_masked` and `bands_masked` are the widest masks, two
    of each (SpecAugment, D. Park et al. 2019).
    """

    shift: float = 0.0
    stretch: float = 0.0
    bands: float = 0.0
    color: float = 0.0
    floor: float = 0.0
    noise: float = 0.0
    frames_masked: int = 0
    bands_masked: int = 0

    def __call__(self, tensors: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """float32 (batch, frames, bands) → the same shape."""
        count, frames, bands = tensors.shape
        tempo = np.exp(rng.uniform(-1, 1, (count, 1)) * np.log1p(self.stretch))
        moves = rng.uniform(-self.shift, self.shift, (count, 1)) * frames
        middle = (frames - 1) / 2
        in_time = (np.arange(frames) - middle - moves) * tempo + middle
        tracts = rng.uniform(-self.bands, self.bands, (count, 1))
        changed = _interpolated(tensors, in_time).swapaxes(1, 2)
        changed = _interpolated(changed, np.arange(bands) - tracts).swapaxes(1, 2)
        sounding = changed > 0
        changed = changed + sounding * _gains(count, bands, self.color, rng)[:, None, :]
        changed = changed + sounding * rng.standard_normal(changed.shape, np.float32) * self.noise
        background = rng.uniform(0, self.floor, (count, 1, 1))
        recorded = changed.any(axis=2, keepdims=True)  # and not centered among silence
        changed = np.clip(np.maximum(changed, background * recorded), 0, 1)
        for _ in range(2):
            changed = changed * ~_mask(count, frames, self.frames_masked, rng)[:, :, None]
            changed = changed * ~_mask(count, bands, self.bands_masked, rng)[:, None, :]
        return np.ascontiguousarray(changed, tensors.dtype)


def _interpolated(values: npt.NDArray[Any], positions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(batch, n, …) at fractional positions (batch, n) along the second axis; zero outside."""
    last = values.shape[1] - 1
    below = np.floor(positions).astype(np.int64)
    weights = (positions - below).astype(np.float32)[..., None]
    rows = np.arange(len(values))[:, None]

    def at(index: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        inside = (index >= 0) & (index <= last)
        return np.asarray(values[rows, np.clip(index, 0, last)] * inside[..., None])

    return np.asarray(at(below) * (1 - weights) + at(below + 1) * weights)


def _gains(
    count: int, bands: int, most: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(count, bands): in each row straight lines between points within ±`most`."""
    points = rng.uniform(-most, most, (count, _POINTS))
    places = np.linspace(0, _POINTS - 1, bands)
    shares = np.maximum(1 - np.abs(places - np.arange(_POINTS)[:, None]), 0)
    return np.asarray(points @ shares, np.float32)


def _mask(count: int, length: int, widest: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(count, length): in each row a stretch of 0 to `widest` somewhere."""
    width = rng.integers(0, min(widest, length) + 1, (count, 1))
    start = rng.integers(0, length - width + 1)
    place = np.arange(length)
    return np.asarray((place >= start) & (place < start + width))
