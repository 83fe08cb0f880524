"""Compare two rows by the ratio of their latencies.

Rows of one results file were measured in interleaved rounds and are compared round by round;
rows of two files by the spread of their processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.results import Measurement, Run
from edgecnn.statistics.ratios import CALL, FEWEST, Ratio, paired, unpaired


@dataclass(frozen=True)
class Times:
    """Milliseconds of a row by process: of an inference, or of a sample where throughput counts.

    `quiet` are those of the undisturbed machine by (round, time), `every` those of all samples;
    both are the same where nobody looked at the machine (`watched` is False). `broken` counts
    processes whose time is not a positive number.
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
            return (
                "a neighbor shared the core all the time on one side, "
                "and may explain the difference"
            )
        where = "either side" if len(few) == 2 else "one side"
        count = "one process" if min(few) == 1 else f"{min(few)} processes"
        return f"{count} on {where}, too few to compare"


def compare_rows(
    first: Measurement, second: Measurement, *, one_session: bool = True
) -> Difference | None:
    """`second` against `first`; None where one of them has no usable time.

    Rows of one results file (`one_session`) are compared round by round where three rounds hold
    both, which is much sharper: what slowed the whole machine for a while cancels. Undisturbed
    rounds are taken where there are enough of them, else all.
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
    if one_session:
        for both in (sides, [first.every, second.every]):
            if ratio is None and all(_numbered(side) for side in both):
                ratio = paired(dict(both[0]), dict(both[1]))
    return Difference(
        median(times[0]),
        median(times[1]),
        (len(times[0]), len(times[1])),
        None if disturbed else ratio or unpaired(*times),
        disturbed,
    )


def shared_times(times: Sequence[Times], typical: Sequence[float]) -> list[float | None]:
    """Milliseconds of each row by the rounds that it shares with others; None for a row that shares
    fewer than three. `typical` are the rows' own medians, whose scale the result has.

    The logarithm of a time is that of its row and that of its round, added (least squares): what
    slowed all rows of a round cancels, and where all rows have the same rounds, the ratio of two
    rows is the mean of their ratios round by round. Undisturbed times are taken where they rank
    the same rows as all times do, else all times.

    Rows that no chain of shared rounds connects cannot be ranked by rounds: only the largest
    connected set has values, and none has where two are as large.
    """
    shared: list[float | None] = [None] * len(times)
    logs = _by_round([one.every for one in times])
    if logs is None:
        return shared
    own = np.array(typical)
    usable = _connected(np.isfinite(logs) & (own > 0)[:, None])
    quiet = _by_round([one.quiet for one in times])
    if quiet is not None:
        undisturbed = _connected(np.isfinite(quiet) & (own > 0)[:, None])
        if np.array_equal(undisturbed, usable):
            logs = quiet
    if not usable.size:
        return shared
    effects = _row_effects(logs[usable])
    scaled = np.exp(effects + np.mean(np.log(own[usable]) - effects))
    for place, time in zip(usable, scaled, strict=True):
        shared[place] = float(time)
    return shared


def _by_round(sides: Sequence[tuple[tuple[int, float], ...]]) -> npt.NDArray[np.float64] | None:
    """(rows, rounds) logarithms of times, NaN where a row has none; None where processes have no
    round of their own.
    """
    if not all(_numbered(side) for side in sides):
        return None
    rounds = {
        number: place for place, number in enumerate(sorted({n for s in sides for n, _ in s}))
    }
    logs = np.full((len(sides), len(rounds)), np.nan)
    for place, side in enumerate(sides):
        for number, time in side:
            logs[place, rounds[number]] = log(time)
    return logs


def _connected(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The rows of the largest set that shared rounds connect; none where two are as large.

    `present` (rows, rounds) says who took part. Each row of the set is in at least three rounds
    with another row.
    """
    shares = present & (present.sum(axis=0) > 1)
    while (few := shares.any(axis=1) & (shares.sum(axis=1) < FEWEST)).any():
        shares[few] = False  # whoever shared rounds with these alone shares fewer now
        shares &= shares.sum(axis=0) > 1
    left = set(np.flatnonzero(shares.any(axis=1)).tolist())
    groups: list[list[int]] = []
    while left:
        group, new = set[int](), {min(left)}
        while new:
            group |= new
            rounds = shares[sorted(new)].any(axis=0)
            new = set(np.flatnonzero(shares[:, rounds].any(axis=1)).tolist()) - group
        groups.append(sorted(group))
        left -= group
    groups.sort(key=len, reverse=True)
    if not groups or (len(groups) > 1 and len(groups[0]) == len(groups[1])):
        return np.array([], np.intp)
    return np.array(groups[0], np.intp)


def _row_effects(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(rows,) of the additive fit: rows and rounds are fitted in turns until nothing changes."""
    logs = logs[:, np.isfinite(logs).sum(axis=0) > 1]  # a round of one row says nothing of others
    present = np.isfinite(logs)
    values, in_row, in_round = (
        np.where(present, logs, 0.0),
        present.sum(axis=1),
        present.sum(axis=0),
    )
    rows = values.sum(axis=1) / in_row
    for _ in range(_MOST_TURNS):
        rounds = np.where(present, values - rows[:, None], 0.0).sum(axis=0) / in_round
        last, rows = rows, np.where(present, values - rounds, 0.0).sum(axis=1) / in_row
        if np.abs(rows - last).max() < _SETTLED:
            break
    return np.asarray(rows)


_MOST_TURNS, _SETTLED = 200, 1e-9


def times_of(row: Measurement) -> Times:
    """The times of a row's processes; those that are not a positive number are left out."""
    if row.load.scenario in ("offline", "server"):
        answered = [run for run in row.runs if _has_rate(run.queries)]
        rates = [
            (run.round, run.queries["elapsed_ns"] / run.queries["samples"] / 1e6)
            for run in answered
        ]
        usable = _times(rates)
        return Times(usable, usable, broken=len(rates) - len(usable))
    sampled = [run for run in row.runs if run.samples_ns]
    sound = [run for run in sampled if _are_times(run)]
    every = [(run.round, float(np.median(run.all_ns)) / 1e6) for run in sound]
    quiet = [(run.round, time / 1e6) for run in sound if (time := run.quiet_median_ns) is not None]
    watched = any(run.blocks for run in sound)
    return Times(tuple(quiet), tuple(every), watched, len(sampled) - len(sound))


def _are_times(run: Run) -> bool:
    try:
        return bool((run.all_ns > 0).all())
    except (ValueError, OverflowError):  # NaN, infinity
        return False


def _times(values: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    return tuple((number, time) for number, time in values if isfinite(time) and time > 0)


def _has_rate(queries: Mapping[str, Any]) -> bool:
    """Whether a run in which queries overlap answered any, and kept the bound it was given."""
    held = queries.get("valid") is not False
    return held and bool(queries.get("samples")) and bool(queries.get("elapsed_ns"))


def _numbered(side: tuple[tuple[int, float], ...]) -> bool:
    """Whether every process has a round of its own: results of schema 1 know no rounds."""
    return len({number for number, _ in side}) == len(side)
