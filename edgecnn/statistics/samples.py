"""Statistics over raw samples: pure functions, and a rule for when a number may be printed.

The process is the unit of a latency measurement (Kalibera & Jones 2013): samples within one
process share its memory layout and its moment, so the interval of a headline comes from the
medians of several fresh processes where there are several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, comb, cos, erf, hypot, pi, sin, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.statistics.interval import Bounds

Samples = npt.NDArray[np.int64]
CONFIDENCE = 0.95
SESSION_SPREAD = 0.008
"""Standard deviation of a row's undisturbed latency between sessions on one machine, as a share of
it (benchmarks/coverage.py)."""


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
    return percentile_of_sorted(np.sort(np.asarray(samples)), quantile)


def p50_and_p90_ms(times_ns: Sequence[int]) -> dict[str, float | None]:
    """Both percentiles of nanoseconds in milliseconds, by name; None as in `percentile`."""
    values = np.asarray(times_ns, np.int64) / 1e6
    return {"p50": percentile(values, 0.5), "p90": percentile(values, 0.9)}


def percentile_of_sorted(ordered: npt.NDArray[Any], quantile: float) -> float | None:
    """As `percentile`, of samples in rising order; np.quantile, which sorts, takes ten times as
    long.
    """
    needed = minimum_samples(quantile) if quantile > 0.5 else 1
    if ordered.size < needed:
        return None
    place = quantile * (ordered.size - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, ordered.size - 1)])
    return low + (high - low) * (place - below)


def median_interval(samples: npt.ArrayLike, confidence: float = CONFIDENCE) -> Bounds | None:
    """Distribution-free interval of the median by order statistics (needs 6 samples for 95%)."""
    values = np.sort(np.asarray(samples, np.float64))
    rank = _lower_rank(values.size, confidence)
    if rank is None:
        return None
    return float(values[rank]), float(values[values.size - 1 - rank])


def median_of_processes_interval(
    medians: Sequence[float], confidence: float = CONFIDENCE
) -> Bounds | None:
    """Interval of the typical latency from the medians of fresh processes; None below 3.

    Student's t on the logarithms: a percentile bootstrap of three to ten values holds the truth
    far less often than it says. What differs from one session to the next on the same machine
    (`SESSION_SPREAD`) cannot be seen within a session and is added to it.
    """
    values = np.asarray(medians, np.float64)
    if values.size < 3 or (values <= 0).any():
        return None
    logs = np.log(values)
    error = float(logs.std(ddof=1)) / sqrt(values.size)
    reach = reach_of(confidence, error, values.size - 1, SESSION_SPREAD)
    middle, median = float(logs.mean()), float(np.median(logs))
    low, high = min(middle - reach, median), max(middle + reach, median)
    return float(np.exp(low)), float(np.exp(high))


def reach_of(confidence: float, error: float, degrees: int, sessions: float = 0.0) -> float:
    """How far an interval reaches to both sides of a mean with that standard error.

    `error` was estimated with `degrees` degrees of freedom; `sessions` is a further standard
    deviation that is known.
    """
    from statistics import NormalDist

    session_reach = NormalDist().inv_cdf((1 + confidence) / 2) * sessions
    return hypot(student_t(confidence, degrees) * error, session_reach)


@lru_cache(maxsize=256)
def student_t(confidence: float, degrees: int) -> float:
    """The t for which Student's distribution holds `confidence` within ±t.

    The distribution for whole degrees of freedom in closed form (Abramowitz & Stegun 26.7.3 and
    26.7.4), inverted by bisection.
    """
    low, high = 0.0, 1.0
    while _within_t(high, degrees) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if _within_t(middle, degrees) < confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_tail(t: float, degrees: int) -> float:
    """P(T ≥ t) for Student's T with `degrees` degrees of freedom: a one-sided p-value."""
    outside = (1 - _within_t(abs(t), degrees)) / 2
    return outside if t >= 0 else 1 - outside


def _within_t(t: float, degrees: int) -> float:
    """P(|T| ≤ t) for Student's T with `degrees` degrees of freedom."""
    if degrees > 200:  # the normal z of Abramowitz and Stegun, 26.7.8
        z = t * (1 - 1 / (4 * degrees)) / sqrt(1 + t * t / (2 * degrees))
        return erf(z / sqrt(2))
    angle = atan(t / sqrt(degrees))
    cosine, sine = cos(angle), sin(angle)
    if degrees % 2:
        total, term = 0.0, cosine
        for k in range(1, degrees - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        return 2 / pi * (angle + (sine * total if degrees > 1 else 0.0))
    total, term = 0.0, 1.0
    for k in range(0, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    return sine * total


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> Bounds | None:
    """Wilson score interval of a proportion (95% by default); None without observations."""
    if n == 0:
        return None
    p = successes / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, center - half), min(1.0, center + half)


def count_outliers(samples: npt.ArrayLike) -> int:
    """Samples beyond Tukey's outer fences (3 × the interquartile range); counted, never removed."""
    values = np.asarray(samples, np.float64)
    if values.size < 4:
        return 0
    first, third = np.quantile(values, [0.25, 0.75])
    reach = 3 * (third - first)
    return int(np.count_nonzero((values < first - reach) | (values > third + reach)))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided McNemar test (McNemar 1947) on the samples where two classifiers differ.

    `only_first` samples were right in the first alone, `only_second` in the second alone. The
    p-value is how likely so uneven a split is when both are equally good.
    """
    n = only_first + only_second
    if n == 0:
        return 1.0
    fewer = min(only_first, only_second)
    tail = sum(comb(n, k) for k in range(fewer + 1))
    from fractions import Fraction

    return min(1.0, float(2 * Fraction(tail, 2**n)))


@dataclass(frozen=True)
class Modes:
    """Two latencies between which a model switches, with the share of samples at each."""

    low: float
    high: float
    share_high: float


def two_modes(samples: npt.ArrayLike) -> Modes | None:
    """Two well-separated modes, or None.

    Samples are split where the two groups are tightest (Otsu 1979) on a log scale. Modes count
    when each holds at least 10% of the samples, Ashman's D exceeds 2 (Ashman et al. 1994), they
    are at least 10% apart, and fewer samples lie in the valley than around either of them.
    """
    values = np.sort(np.asarray(samples, np.float64))
    values = values[values > 0]
    if values.size < 50:
        return None
    logs = np.log(values)
    split = _otsu_split(logs)
    low, high = logs[:split], logs[split:]
    share = high.size / logs.size
    if not 0.1 <= share <= 0.9:
        return None
    centers = (float(np.median(low)), float(np.median(high)))
    gap = centers[1] - centers[0]
    scatter = float(np.hypot(_robust_std(low), _robust_std(high))) or 1e-12
    if gap < np.log(1.1) or sqrt(2) * gap / scatter <= 2:
        return None
    width = gap / 4
    counts = [
        int(np.count_nonzero(np.abs(logs - center) <= width / 2))
        for center in (centers[0], sum(centers) / 2, centers[1])
    ]
    if counts[1] * 2 > min(counts[0], counts[2]):
        return None
    return Modes(float(np.exp(centers[0])), float(np.exp(centers[1])), share)


def drift(samples: npt.ArrayLike) -> float:
    """How far the median of the last third lies above that of the first third, as a share.

    0 where it could be chance: within four standard errors of the two medians, or fewer than
    30 samples.
    """
    values = np.asarray(samples, np.float64)
    third = values.size // 3
    if third < 10:
        return 0.0
    first, last = values[:third], values[-third:]
    moved = float(np.median(last) - np.median(first))
    error = 1.2533 * float(np.hypot(_robust_std(first), _robust_std(last))) / sqrt(third)
    return moved / float(np.median(first)) if abs(moved) > 4 * error else 0.0


TREND_SLICES = 12


def trend(samples: npt.ArrayLike) -> float:
    """How steadily the samples rise (1) or fall (-1) from first to last; 0 below 120 samples.

    Spearman's rank correlation between twelve consecutive slices' medians and their order.
    """
    values = np.asarray(samples, np.float64)
    if values.size < 10 * TREND_SLICES:
        return 0.0
    medians = np.array([np.median(part) for part in np.array_split(values, TREND_SLICES)])
    if np.ptp(medians) == 0:
        return 0.0
    _, ranks = np.unique(medians, return_inverse=True)  # equal medians share a rank
    return float(np.corrcoef(ranks, np.arange(TREND_SLICES))[0, 1])


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
    ci95: Bounds | None
    outliers: int

    @property
    def relative_spread(self) -> float | None:
        """Half-width of the interval as a share of the median."""
        if self.ci95 is None or self.p50 == 0:
            return None
        return (self.ci95[1] - self.ci95[0]) / 2 / self.p50


def summarize_latency(
    processes: Sequence[Samples], everything: Samples | None = None
) -> LatencySummary | None:
    """Summarize the steady-state samples (nanoseconds) of one or several processes.

    `everything` holds samples that were set aside as disturbed, too: count, extremes and
    outliers are theirs, so that nothing is lost.

    p50 is the median of process medians; its interval comes from processes alone, and there is
    none with fewer than three of them: samples of one process describe that process, not the
    machine.
    """
    processes = [samples for samples in processes if len(samples)]
    if not processes:
        return None
    pooled = np.sort(np.concatenate(processes)) / 1e6
    medians = [float(np.median(samples)) / 1e6 for samples in processes]
    interval = median_of_processes_interval(medians)
    whole = pooled if everything is None else everything / 1e6
    return LatencySummary(
        count=int(whole.size),
        p50=float(np.median(medians)),
        p90=percentile_of_sorted(pooled, 0.90),
        p95=percentile_of_sorted(pooled, 0.95),
        p99=percentile_of_sorted(pooled, 0.99),
        mean=float(pooled.mean()),
        std=float(pooled.std(ddof=1)) if pooled.size > 1 else 0.0,
        min=float(whole.min()),
        max=float(whole.max()),
        ci95=interval,
        outliers=count_outliers(whole),
    )


def _otsu_split(values: npt.NDArray[np.float64]) -> int:
    """Where to cut sorted values so that the variance between the two groups is largest."""
    n = values.size
    sums = np.cumsum(values)
    sizes = np.arange(1, n)
    left, right = sums[:-1] / sizes, (sums[-1] - sums[:-1]) / (n - sizes)
    return int(np.argmax(sizes * (n - sizes) * (right - left) ** 2)) + 1


def _robust_std(values: npt.NDArray[np.float64]) -> float:
    """1.4826 × the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


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
