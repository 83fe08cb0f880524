"""The parts of an output: entries along one axis whose values span ranges of different size.

A head that gives boxes (0…640) and scores (0…1) in one tensor shares one quantization step; the
error of the scores vanishes in the power of the boxes unless they are looked at by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

APART = 10.0
"""How many times larger a range is when it counts as another one."""
MOST_NAMED = 6
MOST_LEVELS = 4_096
"""Distinct values up to which an output may be quantized."""
MOST_PARTS = 6


def split(low: Floats, high: Floats, *, one_unit: bool = False) -> list[tuple[str, Mask]]:
    """The parts of an output: what to call each, and which entries it has.

    `low` and `high` are the range of each entry over all samples, in the output's shape without
    the batch. Values within 0…1 count as scores, which share one unit however rare they are;
    other entries are grouped by the size of their range along the axis on which it differs
    most. An output whose values belong together (`one_unit`, a softmax) has one part.
    """
    whole = [("", np.ones(low.shape, bool))]
    axis = None if one_unit else _axis(low, high)
    if axis is None:
        return whole
    others = tuple(index for index in range(low.ndim) if index != axis)
    lowest, highest = low.min(axis=others), high.max(axis=others)
    groups = _grouped(lowest, highest)
    if len(groups) < 2:
        return whole
    last = axis == low.ndim - 1
    what = "channels" if last or low.shape[axis] <= min(low.shape) else f"axis {axis + 1}, entries"
    parts = []
    for members in groups[:MOST_PARTS]:
        mask = np.zeros(low.shape, bool)
        mask[(slice(None),) * axis + (members,)] = True
        parts.append((f"{_singular(what, len(members))} {_ranges(members)}", mask))
    return parts


def quantization_step(values: npt.NDArray[Any] | None, count: int) -> float | None:
    """The step of a quantized output, seen from its distinct `values` among `count` in all.

    None where they lie on no grid, or are too few to see one.
    """
    if values is None or not 2 < len(values) <= MOST_LEVELS or count < 4 * len(values):
        return None
    ordered = np.sort(values.astype(np.float64))
    gaps = np.diff(ordered)
    extent = ordered[-1] - ordered[0]
    gaps = gaps[gaps > 1e-5 * extent]
    if not len(gaps) or extent / gaps.min() > 70_000:
        return None
    steps = gaps / gaps.min()
    regular = np.abs(steps - np.rint(steps)) < 0.05 * np.maximum(1, np.minimum(steps, 5))
    return float(gaps.min()) if regular.mean() > 0.98 else None


def _axis(low: Floats, high: Floats) -> int | None:
    """The axis along which the size of the values differs most; None without a difference."""
    if not low.ndim or low.size < 2:
        return None
    size = np.log10(np.maximum(np.maximum(abs(low), abs(high)), 1e-12))
    size = np.maximum(size, size.max() - 12)
    between = []
    for axis in range(low.ndim):
        others = tuple(index for index in range(low.ndim) if index != axis)
        # The largest along an axis shows its range; the mean would be of the rare zeros.
        between.append(float(np.var(size.max(axis=others))) if low.shape[axis] > 1 else 0.0)
    best = int(np.argmax(between))
    return best if between[best] > 0 else None


def _grouped(lowest: Floats, highest: Floats) -> list[list[int]]:
    """Entries by the size of their range, largest first; constant ones are left out."""
    extents = highest - lowest
    scores = [
        index
        for index in range(len(extents))
        if extents[index] > 0 and lowest[index] >= 0 and highest[index] <= 1
    ]
    rest = sorted(
        (index for index in range(len(extents)) if extents[index] > 0 and index not in set(scores)),
        key=lambda index: -extents[index],
    )
    groups: list[list[int]] = []
    for index in rest:
        if groups and extents[groups[-1][0]] < APART * extents[index]:
            groups[-1].append(index)
        else:
            groups.append([index])
    if scores:
        most = max(extents[scores])
        near = next((group for group in groups if _near(extents[group[0]], most)), None)
        if near is None:
            groups.append(scores)
        else:
            near.extend(scores)
    return [sorted(group) for group in groups]


def _near(one: float, other: float) -> bool:
    return bool(max(one, other) < APART * min(one, other))


def _singular(what: str, count: int) -> str:
    if count > 1:
        return what
    return what.removesuffix("ies") + "y" if what.endswith("ies") else what.removesuffix("s")


def _ranges(members: Iterable[int]) -> str:
    """0, 1, 2, 5 → "0–2, 5"."""
    runs: list[list[int]] = []
    for index in members:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    ranges = [str(first) if first == last else f"{first}–{last}" for first, last in runs]
    more = ", …" if len(ranges) > MOST_NAMED else ""
    return ", ".join(ranges[:MOST_NAMED]) + more
