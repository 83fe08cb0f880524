"""Resampling with a triangle filter, one axis after the other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgecnn.preprocessing.base import FloatArray

Taps = npt.NDArray[np.intp]


def resize(pixels: FloatArray, height: int, width: int) -> FloatArray:
    """Resample (h, w, c) to (height, width, c) with a triangle filter.

    Enlarging is bilinear with half-pixel centers; when shrinking, the filter widens by the
    ratio so that no pixel is skipped (Pillow's BILINEAR does the same).
    """
    return resample(resample(pixels, 0, height), 1, width)


def resample(values: FloatArray, axis: int, target: int) -> FloatArray:
    """Resample one axis to `target` places; the others stay."""
    source = values.shape[axis]
    if source == target:
        return np.ascontiguousarray(values, np.float32)
    # The axis goes first, so that a tap is one long row: whole rows are copied and added.
    first = np.moveaxis(values, axis, 0)
    rows = np.ascontiguousarray(first, np.float32).reshape(source, -1)
    taps, weights = _filter(source, target)
    total = rows[taps[0]]
    total *= weights[0][:, None]
    piece = np.empty_like(total)
    for places, weight in zip(taps[1:], weights[1:], strict=True):
        np.take(rows, places, axis=0, out=piece, mode="clip")  # "raise" would buffer `out`
        piece *= weight[:, None]
        total += piece
    resampled = total.reshape(target, *first.shape[1:])
    return np.ascontiguousarray(np.moveaxis(resampled, 0, axis))


@lru_cache(maxsize=64)
def _filter(source: int, target: int) -> tuple[Taps, FloatArray]:
    """The places (taps, target) that a target place is made of, and their weights, which sum
    to 1 over the taps. Only what the triangle covers: 2 taps to enlarge, about twice the ratio
    to shrink.
    """
    ratio = source / target
    support = max(ratio, 1.0)
    centers = (np.arange(target) + 0.5) * ratio
    first = np.ceil(centers - support - 0.5).astype(np.intp)
    places = first[None, :] + np.arange(int(2 * support) + 1)[:, None]
    distance = np.abs(places + 0.5 - centers[None, :]) / support
    weights = np.clip(1.0 - distance, 0.0, None)
    weights[(places < 0) | (places >= source)] = 0.0
    weights /= weights.sum(axis=0)
    return np.clip(places, 0, source - 1), np.asarray(weights, np.float32)
