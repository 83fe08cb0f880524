"""Statistics over raw samples: pure functions, and a rule for when a number may be printed.

The process is the unit of a latency measurement (Kalibera & Jones 2013): samples within one
process share its memory layout and its moment, so the interval of a headline comes from the
medians of several fresh processes where there are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int64]
Interval = tuple[float, float]

CONFIDENCE = 0.95


@lru_cache(maxsize=32)
def minimum_samples(quantile: float, confidence: float = 0.99) -> int:
    """How many samples a tail percentile needs before it may be printed.

    LoadGen's early-stopping rule with one sample allowed above: the smallest n for which at
    most one exceedance among n has probability ≤ 1 − confidence when the true quantile is
    higher than claimed: 64 for p90, 130 for p95, 662 for p99.
    """
    exceed = 1.0 - quantile
    n = 2
    while quantile**n + n * exceed * quantile ** (n - 1) > 1.0 - confidence:
        n += 1
    return n


def percentile(samples: npt.ArrayLike, quantile: float) -> float | None:
    """The `quantile` (0…1) of `samples`, or None when there are too few to claim it."""
    values = np.asarray(samples)
    needed = minimum_samples(quantile) if quantile > 0.5 else 1
    if values.size < needed:
        return None
    return float(np.quantile(values, quantile))


def median_interval(samples: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval | None:
    """Distribution-free interval of the median by order statistics (needs 6 samples for 95%)."""
    values = np.sort(np.asarray(samples, np.float64))
    rank = _lower_rank(values.size, confidence)
    if rank is None:
        return None
    return float(values[rank]), float(values[values.size - 1 - rank])


def bootstrap_median_interval(
    medians: Sequence[float], confidence: float = CONFIDENCE, resamples: int = 10_000, seed: int = 0
) -> Interval | None:
    """Percentile-bootstrap interval of the median of per-process medians; None below 3."""
    values = np.asarray(medians, np.float64)
    if values.size < 3:
        return None
    draws = np.random.default_rng(seed).choice(values, (resamples, values.size))
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(np.median(draws, axis=1), [tail, 1.0 - tail])
    return float(low), float(high)


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> Interval | None:
    """Wilson score interval of a proportion (95% by default); None without observations."""
    if n == 0:
        return None
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def count_outliers(samples: npt.ArrayLike) -> int:
    """Samples beyond Tukey's outer fences (3 × the interquartile range); counted, never removed."""
    values = np.asarray(samples, np.float64)
    if values.size < 4:
        return 0
    first, third = np.quantile(values, [0.25, 0.75])
    reach = 3 * (third - first)
    return int(np.count_nonzero((values < first - reach) | (values > third + reach)))


@dataclass(frozen=True)
class LatencySummary:
    """Latency in milliseconds over all samples of a measurement; None where not claimable."""

    count: int
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    mean: float
    std: float
    min: float
    max: float
    ci95: Interval | None
    outliers: int

    @property
    def relative_spread(self) -> float | None:
        """Half-width of the interval as a share of the median."""
        if self.ci95 is None or self.p50 == 0:
            return None
        return (self.ci95[1] - self.ci95[0]) / 2 / self.p50


def summarise_latency(processes: Sequence[Samples]) -> LatencySummary | None:
    """Summarise the steady-state samples (nanoseconds) of one or several processes.

    p50 is the median of process medians, its interval the bootstrap over processes; with
    fewer than three processes the interval is that of the pooled samples.
    """
    processes = [samples for samples in processes if len(samples)]
    if not processes:
        return None
    pooled = np.concatenate(processes) / 1e6
    medians = [float(np.median(samples)) / 1e6 for samples in processes]
    interval = bootstrap_median_interval(medians) or median_interval(pooled)
    return LatencySummary(
        count=int(pooled.size),
        p50=float(np.median(medians)),
        p90=percentile(pooled, 0.90),
        p95=percentile(pooled, 0.95),
        p99=percentile(pooled, 0.99),
        mean=float(pooled.mean()),
        std=float(pooled.std(ddof=1)) if pooled.size > 1 else 0.0,
        min=float(pooled.min()),
        max=float(pooled.max()),
        ci95=interval,
        outliers=count_outliers(pooled),
    )


def _lower_rank(n: int, confidence: float) -> int | None:
    """The largest r with P(r < Binomial(n, ½) < n − r) ≥ confidence, or None."""
    if n > 1_000:  # the normal approximation errs by less than one rank here
        return max(0, int(n / 2 - 1.959964 * sqrt(n) / 2)) if confidence == CONFIDENCE else None
    tail, rank = 0.0, None
    for r in range(n // 2):
        tail += comb(n, r) / 2**n
        if 2 * tail > 1.0 - confidence:
            break
        rank = r
    return rank
