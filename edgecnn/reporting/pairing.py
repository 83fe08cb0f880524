"""Two rows beside each other: the ratio of their times and what may be said of it.

Rows of one results file were measured in interleaved rounds and are compared round by round;
rows of two files by the spread of their processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

import numpy as np

from edgecnn.ratios import CALL, FEWEST, Ratio, paired, unpaired
from edgecnn.results import Measurement


@dataclass(frozen=True)
class Times:
    """Milliseconds of a row by process: of an inference, or of a sample where throughput counts.

    `quiet` are those of the undisturbed machine by (round, time), `every` those of all samples;
    both are the same where nobody looked at the machine (`watched` is False). `broken` counts
    processes whose time is no positive number.
    """

    quiet: tuple[tuple[int, float], ...] = ()
    every: tuple[tuple[int, float], ...] = ()
    watched: bool = False
    broken: int = 0


@dataclass(frozen=True)
class Difference:
    """A second row against a first one; `ratio` is second / first.

    `first_ms` and `second_ms` are the times compared, `processes` how many of them there are.
    """

    first_ms: float
    second_ms: float
    processes: tuple[int, int]
    ratio: Ratio | None
    disturbed: bool = False
    """A side never found the machine undisturbed: the neighbor may be what differs."""

    @property
    def value(self) -> float:
        """The ratio, without an interval where there is none."""
        return self.ratio.value if self.ratio else self.second_ms / self.first_ms

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the ratio; None where there are too few processes."""
        return self.ratio.interval() if self.ratio else None

    @property
    def different(self) -> bool:
        """Whether the two differ beyond chance (99%)."""
        return self.ratio is not None and self.ratio.differs(CALL)

    @property
    def lack(self) -> str:
        """Why there is no interval; empty when there is one."""
        if self.ratio:
            return ""
        few = [count for count in self.processes if count < FEWEST]
        if not few:
            return "a neighbor shared the core all the time on a side, and may be what differs"
        where = "either side" if len(few) == 2 else "one side"
        count = "one process" if min(few) == 1 else f"{min(few)} processes"
        return f"{count} on {where}, too few to say anything about the machine"


def compare_rows(
    first: Measurement, second: Measurement, *, one_session: bool = True
) -> Difference | None:
    """`second` against `first`; None where one of them has no usable time.

    Rows of one results file (`one_session`) are compared round by round where three rounds hold
    both, which is much sharper: what slowed the whole machine for a while cancels.
    """
    return between(times_of(first), times_of(second), one_session=one_session)


def between(first: Times, second: Times, *, one_session: bool) -> Difference | None:
    """As `compare_rows`, from the times alone."""
    sides = [first.quiet, second.quiet]
    if first.watched != second.watched or not all(sides):
        sides = [first.every, second.every]  # like with like: disturbed or not
    if not all(sides):
        return None
    times = [[time for _, time in side] for side in sides]
    ratio = None
    disturbed = not one_session and any(side.watched and not side.quiet for side in (first, second))
    if one_session and all(_numbered(side) for side in sides):
        ratio = paired(dict(sides[0]), dict(sides[1]))
    return Difference(
        median(times[0]),
        median(times[1]),
        (len(times[0]), len(times[1])),
        None if disturbed else ratio or unpaired(*times),
        disturbed,
    )


def times_of(row: Measurement) -> Times:
    """The times of a row's processes; those that are no positive number are left out."""
    if row.load.scenario in ("offline", "server"):
        answered = [run for run in row.runs if _has_rate(run.queries)]
        rates = [
            (run.round, run.queries["elapsed_ns"] / run.queries["samples"] / 1e6)
            for run in answered
        ]
        usable = _times(rates)
        return Times(usable, usable, broken=len(rates) - len(usable))
    sampled = [run for run in row.runs if run.samples_ns]
    sound = [run for run in sampled if _are_times(run.samples_ns)]
    every = [(run.round, float(np.median(run.samples_ns)) / 1e6) for run in sound]
    quiet = [(run.round, time / 1e6) for run in sound if (time := run.quiet_median_ns) is not None]
    watched = any(run.blocks for run in sound)
    return Times(tuple(quiet), tuple(every), watched, len(sampled) - len(sound))


def _are_times(samples: Sequence[float]) -> bool:
    values = np.asarray(samples, np.float64)
    return bool(np.isfinite(values).all() and (values > 0).all())


def _times(values: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    return tuple((number, time) for number, time in values if isfinite(time) and time > 0)


def _has_rate(queries: Mapping[str, Any]) -> bool:
    """Whether a run in which queries overlap answered any, and kept the bound it was given."""
    held = queries.get("valid") is not False
    return held and bool(queries.get("samples")) and bool(queries.get("elapsed_ns"))


def _numbered(side: tuple[tuple[int, float], ...]) -> bool:
    """Whether every process has a round of its own: results of schema 1 know no rounds."""
    return len({number for number, _ in side}) == len(side)
