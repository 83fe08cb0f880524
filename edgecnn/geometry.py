"""Boxes as arrays (n, 4) of left, top, right, bottom: their areas, and what every pair shares.

Empty boxes (no width, no height, sides the wrong way round) have no area and share nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]


def areas(boxes: Boxes) -> Floats:
    """(n,) areas of boxes (n, 4)."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(np.prod(sides, axis=1, dtype=np.float64))


def intersections(first: Boxes, second: Boxes) -> Floats:
    """(n, m) areas that boxes (n, 4) and boxes (m, 4) share."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=2, dtype=np.float64))


def iou(first: Boxes, second: Boxes) -> Floats:
    """(n, m) intersections over unions, in 0…1."""
    common = intersections(first, second)
    return _share(common, areas(first)[:, None] + areas(second)[None] - common)


def covered(first: Boxes, second: Boxes) -> Floats:
    """(n, m) shares of each box of `first` that lie inside each of `second`, in 0…1: COCO's
    overlap with crowd regions.
    """
    return _share(intersections(first, second), areas(first)[:, None])


def nested(first: Boxes, second: Boxes) -> Floats:
    """(n, m) intersections over the smaller area of each pair, in 0…1."""
    smaller = np.minimum(areas(first)[:, None], areas(second)[None])
    return _share(intersections(first, second), smaller)


def _share(common: Floats, of: Floats) -> Floats:
    whole = np.broadcast_to(of, common.shape)
    return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0))
