"""Ratios of two latencies with an interval, for deciding which of two rows is faster.

Times of processes are compared on a logarithmic scale. Two rows measured in the same rounds of
one session are compared round by round (`paired`): what slowed the whole machine during a round
cancels. Rows of two sessions are compared by the spread of their processes (`unpaired`).
Samples of one process say nothing about the machine, and two processes that agree may do so by
chance: below three there is no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, sqrt
from statistics import fmean

from edgecnn.statistics.interval import Bounds
from edgecnn.statistics.samples import CONFIDENCE, SESSION_SPREAD, reach_of

CALL = 0.99
"""The confidence at which a difference is called one; intervals are printed with 95%."""

FEWEST = 3
"""Rounds of a paired ratio, and processes on each side of an unpaired one."""


@dataclass(frozen=True)
class Ratio:
    """The ratio of two typical times (second / first), with what its interval needs.

    `error` is the standard error of the ratio's logarithm with `degrees` degrees of freedom.
    `rounds` counts the rounds of a paired ratio and is 0 for an unpaired one.
    """

    value: float
    error: float
    degrees: int
    rounds: int = 0
    sessions: float = 0.0
    """What differs between two sessions on one machine; rows of one session share it."""

    def interval(self, confidence: float = CONFIDENCE) -> Bounds:
        """Student's t interval of the ratio."""
        reach = reach_of(confidence, self.error, self.degrees, self.sessions)
        return self.value * exp(-reach), self.value * exp(reach)

    def differs(self, confidence: float = CALL) -> bool:
        """Whether the interval of that confidence leaves out 1."""
        low, high = self.interval(confidence)
        return not low <= 1.0 <= high


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Ratio | None:
    """The ratio over the rounds that both have; None with fewer than three of them.

    Both map a round to the time of that round's process, in any one unit.
    """
    logs = [
        log(second[number] / first[number])
        for number in sorted(first.keys() & second.keys())
        if first[number] > 0 and second[number] > 0
    ]
    if len(logs) < FEWEST:
        return None
    error = sqrt(_variance(logs) / len(logs))
    return Ratio(exp(fmean(logs)), error, len(logs) - 1, len(logs))


def unpaired(first: Sequence[float], second: Sequence[float]) -> Ratio | None:
    """The ratio of two independent sets of process times; None below three processes on a side.

    Welch's t on the logarithms (Welch 1947), its degrees of freedom rounded down.
    """
    logs = [[log(time) for time in times if time > 0] for times in (first, second)]
    if min(map(len, logs)) < FEWEST:
        return None
    parts = [_variance(side) / len(side) for side in logs]
    error = sqrt(sum(parts))
    return Ratio(
        exp(fmean(logs[1]) - fmean(logs[0])),
        error,
        _welch_degrees(parts, logs),
        0,
        SESSION_SPREAD * sqrt(2),
    )


def _variance(values: Sequence[float]) -> float:
    """Of a sample, around its mean. The one of `statistics` computes in fractions, which took a
    third of the time of a report of 200 rows.
    """
    mean = fmean(values)
    return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _welch_degrees(parts: Sequence[float], logs: Sequence[Sequence[float]]) -> int:
    fewest, most = min(map(len, logs)) - 1, sum(map(len, logs)) - 2
    below = sum(part**2 / (len(side) - 1) for part, side in zip(parts, logs, strict=True))
    if below == 0:
        return most
    return min(most, max(fewest, int(sum(parts) ** 2 / below + 1e-9)))
