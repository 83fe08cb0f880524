"""Change points in a series of measurements.

Method. Values are compared on a logarithmic scale, each weighted by its own interval; where the
series scatters more than its intervals say, or has none, the scatter of neighboring values counts.
Single outliers are set aside first (Hampel's identifier over five values). Splits are searched in
seeded intervals (Kovács, Bühlmann, Li & Munk 2023) and taken narrowest first where the weighted
squared difference of both sides passes a bound (Baranowski, Chen & Fryzlewicz 2019); this finds a
step up that is followed by a step down, too. A split stays when Student's t test of the
values on both sides, which knows nothing of the stored intervals, agrees at 99.9%, and
when the step is at least 1%. Three values on each side are the fewest: a change is called with the
third measurement after it, and one odd measurement is never one.

In simulated series of 10 to 300 values without a change, 1 of 100 series at most is called
changed (tests/unit/statistics/test_change_points.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, exp, inf, log, sqrt

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names
from edgecnn.statistics.interval import Bounds
from edgecnn.statistics.samples import student_t

FEWEST = 3
LEAST = 0.01
"""The smallest step that is called a change, as a share."""
CONFIDENCE = 0.999
_BOUND = 12.0
_OUTLIER = 5.0
_DECAY = sqrt(0.5)
_FLOOR = 1e-4
"""The least standard deviation: numbers that repeat exactly (file sizes) have none."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChangePoint:
    """A change at the value `index`, the first one of the new level.

    `before` and `after` are the typical values of both sides, `ratio` is after / before with the
    interval `low` … `high` (95%).
    """

    index: int
    before: float
    after: float
    ratio: float
    low: float
    high: float


def find_changes(
    values: Sequence[float], intervals: Sequence[Bounds | None] | None = None
) -> tuple[ChangePoint, ...]:
    """The change points of `values` in the order of time.

    `intervals` are 95% intervals of the values, None where there is none. Values must be positive;
    others, and what is not finite, are left out.
    """
    usable = [index for index, value in enumerate(values) if 0 < value < inf]
    logs = np.log([values[index] for index in usable])
    spans = [intervals[index] if intervals else None for index in usable]
    variances = _variances(logs, spans)
    regular = _regular(logs, np.sqrt(variances))
    logs, variances = logs[regular], variances[regular]
    places = [usable[index] for index in np.flatnonzero(regular)]
    if len(logs) < 2 * FEWEST:
        return ()
    search = _Search(logs, 1 / variances)
    splits = _confirmed(search, logs, _refined(search, _narrowest_first(search)))
    edges = [0, *splits, len(logs)]
    return tuple(
        _change(places[split], logs[edges[number] : split], logs[split : edges[number + 2]])
        for number, split in enumerate(splits)
    )


def _variances(logs: Values, spans: Sequence[Bounds | None]) -> Values:
    """The variance of each value's logarithm: from its interval, and from the series' scatter."""
    scatter = _scatter(np.diff(logs)) / sqrt(2)
    own = [_log_deviation(span) for span in spans]
    given_deviations = [value for value in own if value is not None]
    typical = float(np.median(given_deviations)) if given_deviations else scatter
    deviations = np.array([typical if value is None else value for value in own], np.float64)
    deviations = np.maximum(deviations, _FLOOR)
    if len(logs) > 2:
        steps = np.diff(logs) / np.hypot(deviations[1:], deviations[:-1])
        deviations = deviations * max(1.0, _scatter(steps))
    variances: Values = np.square(deviations)
    return variances


def _log_deviation(span: Bounds | None) -> float | None:
    """The standard deviation behind a 95% interval, on the logarithmic scale."""
    if span is None or not 0 < span[0] <= span[1] < inf:
        return None
    return (log(span[1]) - log(span[0])) / 2 / 1.96


def _scatter(steps: Values) -> float:
    """A standard deviation that a few large steps do not move."""
    return 1.4826 * float(np.median(np.abs(steps))) if steps.size else 0.0


def _regular(logs: Values, deviations: Values) -> npt.NDArray[np.bool_]:
    """Which values are not outliers among the five around them."""
    count = len(logs)
    if count < 5:
        return np.ones(count, np.bool_)
    first = np.clip(np.arange(count) - 2, 0, count - 5)
    middle = np.median(logs[first[:, None] + np.arange(5)], axis=1)
    regular: npt.NDArray[np.bool_] = np.abs(logs - middle) <= _OUTLIER * deviations
    return regular


class _Search:
    """Sums that make every split of every interval cheap."""

    def __init__(self, logs: Values, weights: Values) -> None:
        self.count = len(logs)
        self.bound = _BOUND + 2 * log(self.count)
        self._weights = np.concatenate([[0.0], np.cumsum(weights)])
        self._sums = np.concatenate([[0.0], np.cumsum(weights * (logs - logs.mean()))])

    def best(self, start: int, end: int) -> tuple[float, int]:
        """The split of [start, end) with the largest weighted squared difference, and that."""
        splits = np.arange(start + FEWEST, end - FEWEST + 1)
        if not splits.size:
            return 0.0, start
        left = self._weights[splits] - self._weights[start]
        right = self._weights[end] - self._weights[splits]
        gap = (self._sums[splits] - self._sums[start]) / left
        gap = gap - (self._sums[end] - self._sums[splits]) / right
        gains = left * right / (left + right) * gap**2
        chosen = int(np.argmax(gains))
        return float(gains[chosen]), int(splits[chosen])


def _seeded(count: int) -> Iterator[tuple[int, int]]:
    """Intervals of all lengths that cover the series evenly."""
    length, layer = float(count), 0
    while length >= 2 * FEWEST:
        pieces = 2 * ceil(count / length) - 1
        step = (count - length) / (pieces - 1) if pieces > 1 else 0.0
        for number in range(pieces):
            start = int(number * step)
            yield start, min(count, ceil(number * step + length))
        layer += 1
        length = count * _DECAY**layer


def _narrowest_first(search: _Search) -> list[int]:
    segments = []
    for start, end in _seeded(search.count):
        gain, split = search.best(start, end)
        if gain > search.bound:
            segments.append((end - start, -gain, start, end, split))
    splits: list[int] = []
    for _, _, start, end, split in sorted(segments):
        if not any(start < taken < end for taken in splits):
            splits.append(split)
    return sorted(splits)


def _refined(search: _Search, splits: Sequence[int]) -> list[int]:
    """Each split where it is best between its neighbors; those that pass no bound there go."""
    splits = list(splits)
    number = 0
    while number < len(splits):
        start = splits[number - 1] if number else 0
        end = splits[number + 1] if number + 1 < len(splits) else search.count
        gain, split = search.best(start, end)
        if gain > search.bound:
            splits[number] = split
            number += 1
        else:
            del splits[number]
            number = max(0, number - 1)
    return splits


def _confirmed(search: _Search, logs: Values, splits: Sequence[int]) -> list[int]:
    """The splits that the t test confirms; the weakest goes first, then the rest is looked at
    again.
    """
    splits = list(splits)
    while splits:
        edges = [0, *splits, len(logs)]
        sides = [
            (logs[edges[number] : split], logs[split : edges[number + 2]])
            for number, split in enumerate(splits)
        ]
        surplus = [_surplus(*pair) for pair in sides]
        weakest = int(np.argmin(surplus))
        if surplus[weakest] >= 0:
            break
        del splits[weakest]
        splits = _refined(search, splits)
    return splits


def _surplus(first: Values, second: Values) -> float:
    """How far the step of two sides is beyond what is needed, in log units; negative: too small."""
    reach = student_t(CONFIDENCE, len(first) + len(second) - 2) * _error(first, second)
    return abs(float(second.mean() - first.mean())) - max(reach, log(1 + LEAST))


def _error(first: Values, second: Values) -> float:
    """The standard error of the difference of two means with one scatter."""
    squares = float(((first - first.mean()) ** 2).sum() + ((second - second.mean()) ** 2).sum())
    pooled = squares / (len(first) + len(second) - 2)
    return sqrt(max(pooled, _FLOOR**2) * (1 / len(first) + 1 / len(second)))


def _change(index: int, first: Values, second: Values) -> ChangePoint:
    step = float(second.mean() - first.mean())
    reach = student_t(0.95, len(first) + len(second) - 2) * _error(first, second)
    return ChangePoint(
        index,
        exp(float(np.median(first))),
        exp(float(np.median(second))),
        exp(step),
        exp(step - reach),
        exp(step + reach),
    )


__getattr__ = old_names(__name__, {"Change": "ChangePoint"})
