"""Difference of two proportions, and the number of samples needed to decide."""

from __future__ import annotations

from math import ceil, sqrt
from statistics import NormalDist

from edgecnn.statistics.interval import Bounds

CONFIDENCE = 0.95
MOST_SAMPLES = 100_000_000


def paired_difference(
    lost: float, gained: float, n: float, confidence: float = CONFIDENCE
) -> Bounds:
    """Interval of the loss (lost − gained) / n on the same `n` samples, each −1 … 1.

    `lost` samples were right in the first model only, `gained` in the second only. Tango's score
    interval (1998): it keeps its promise for small n and where the two never differ, for which
    it is ±z²/(n + z²).
    """
    if n <= 0 or lost < 0 or gained < 0 or lost + gained > n * (1 + 1e-9):
        raise ValueError(f"{lost} lost and {gained} gained of {n} samples are inconsistent")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    difference = (lost - gained) / n
    table = (lost, gained, n)
    return _crossing(table, z, difference, -1.0), _crossing(table, z, difference, 1.0)


def unpaired_difference(
    first: float, first_interval: Bounds, second: float, second_interval: Bounds
) -> Bounds:
    """Interval of first − second from each one's own interval (Newcombe 1998, method 10).

    It treats the two as measured on different samples, and is wide where they were the same.
    """
    loss = first - second
    low = loss - sqrt((first - first_interval[0]) ** 2 + (second_interval[1] - second) ** 2)
    high = loss + sqrt((first_interval[1] - first) ** 2 + (second - second_interval[0]) ** 2)
    return low, high


def samples_to_decide(
    lost: int, gained: int, n: int, limit: float, confidence: float = CONFIDENCE
) -> int | None:
    """How many samples would decide whether the loss stays within `limit`, at the rates found.

    Rounded up to two digits; None where no number of samples that anyone has would do.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    inside = (lost - gained) / n <= limit

    def decides(count: float) -> bool:
        score = _score(lost * count / n, gained * count / n, count, limit)
        return score <= -z if inside else score >= z

    few, many = 1.0, float(n)
    while not decides(many):
        few, many = many, many * 2
        if many > MOST_SAMPLES:
            return None
    while many - few > 0.5:
        middle = (few + many) / 2
        few, many = (few, middle) if decides(middle) else (middle, many)
    return two_digits_up(many)


def two_digits_up(count: float) -> int:
    """`count` rounded up to a whole number of two significant digits: 381 → 390."""
    step = int(10 ** max(0, len(str(ceil(count))) - 2))
    return int(ceil(count / step) * step)


def _crossing(table: tuple[float, float, float], z: float, inside: float, end: float) -> float:
    """Where between `inside` and `end` the score statistic reaches ±z."""
    for _ in range(60):
        middle = (inside + end) / 2
        if abs(_score(*table, middle)) <= z:
            inside = middle
        else:
            end = middle
    return (inside + end) / 2


def _score(lost: float, gained: float, n: float, loss: float) -> float:
    """Tango's statistic for a true difference of `loss`."""
    b = -lost - gained + (2 * n - lost + gained) * loss
    c = -gained * loss * (1 - loss)
    rate = (sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    spread = n * (2 * rate + loss * (1 - loss))
    distance = lost - gained - n * loss
    if spread <= 0:
        return 0.0 if distance == 0 else float("inf")
    return distance / sqrt(spread)
