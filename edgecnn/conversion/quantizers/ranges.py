"""Choose the range of tensor values that the integers cover.

The smallest and the largest value seen keep everything; where a few values lie far out, all
others share the few levels that are left. "percentile" leaves the rarest values out, "mse" takes
the range with the least mean squared error (rounding inside, clipping outside).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.inference.activations import Array
from edgecnn.conversion.recipe import Calibration
from edgecnn.registry import lookup

Bounds = tuple[float, float]

BINS = 4096
PERCENTILE = 99.99
"""Of the values of a tensor, over all samples: 0.01% lie outside, half of them at either end."""
SHRINKS = np.linspace(1.0, 0.1, 46)
"""Parts of a range that are tried."""
_LEVELS = {"int8": 256, "int16": 65_536}


@dataclass(frozen=True)
class Histogram:
    """How often a tensor's values fall into each of `counts` bins (n,) between `low` and `high`."""

    low: float
    high: float
    counts: npt.NDArray[np.float64]

    @property
    def middles(self) -> npt.NDArray[np.float64]:
        """The middle of each bin (n,)."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return np.asarray((edges[:-1] + edges[1:]) / 2)


def histograms(
    passed: Iterable[Mapping[str, Array]], bounds: Mapping[str, Bounds]
) -> dict[str, Histogram]:
    """One histogram for each tensor of `bounds`, over the values of all samples in `passed`.

    Memory holds a sample at a time. A tensor that never changes has none.
    """
    counts = {
        name: np.zeros(BINS)
        for name, (low, high) in bounds.items()
        if np.isfinite([low, high]).all() and low < high
    }
    for values in passed:
        for name in counts.keys() & values.keys():
            histogram, _ = np.histogram(np.asarray(values[name]).ravel(), BINS, range=bounds[name])
            counts[name] += histogram
    return {name: Histogram(*bounds[name], bins) for name, bins in counts.items() if bins.any()}


def chosen(
    method: Calibration,
    bounds: Mapping[str, Bounds],
    distributions: Mapping[str, Histogram],
    bits: str,
) -> dict[str, Bounds]:
    """The range of each tensor by `method`, for activations of "int8" or "int16"."""
    return {
        name: _picked(method, distributions[name], bits) if name in distributions else ends
        for name, ends in bounds.items()
    }


def _picked(method: Calibration, histogram: Histogram, bits: str) -> Bounds:
    picks: Mapping[str, Callable[[], Bounds]] = {
        "min_max": lambda: (histogram.low, histogram.high),
        "percentile": lambda: by_percentile(histogram),
        "mse": lambda: by_error(histogram, _LEVELS[bits]),
    }
    return lookup("calibration", method, picks)()


def by_percentile(histogram: Histogram, percentile: float = PERCENTILE) -> Bounds:
    """The range without the rarest values at either end; 0 stays inside, as integers need it."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    outside = (100 - percentile) / 200
    width = (histogram.high - histogram.low) / len(histogram.counts)
    first = int(np.searchsorted(share, outside, side="right"))
    last = int(np.searchsorted(share, 1 - outside, side="left"))
    low = histogram.low if first == 0 else histogram.low + first * width
    high = histogram.high if last >= len(share) - 1 else histogram.low + (last + 1) * width
    return min(low, max(histogram.low, 0.0)), max(high, min(histogram.high, 0.0))


def by_error(histogram: Histogram, levels: int) -> Bounds:
    """The range with the least mean squared error of `levels` evenly spaced values.

    Both ends are drawn in together first, then each alone: values often lie far out at one end.
    """
    best = (histogram.low, histogram.high)
    for both in ((True, True), (False, True), (True, False), (False, True)):
        low, high = best
        tried = [
            (low * shrink if both[0] else low, high * shrink if both[1] else high)
            for shrink in SHRINKS
        ]
        errors = [_error(histogram, *ends, levels) for ends in tried]
        best = tried[int(np.argmin(errors))]
    return best


def _error(histogram: Histogram, low: float, high: float, levels: int) -> float:
    """Mean squared error over the values, as the integers have them: 0 is one of the levels."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return float("inf")
    step = (high - low) / (levels - 1)
    zero = np.rint(-low / step)
    middles = histogram.middles
    kept = (np.clip(np.rint(middles / step) + zero, 0, levels - 1) - zero) * step
    return float((histogram.counts * (kept - middles) ** 2).sum() / histogram.counts.sum())
