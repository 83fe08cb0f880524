"""Two results, before and after: what got better, what got worse, what cannot be told apart.

For each configuration the ratio of median latencies (after / before) with a 95% interval by
bootstrap, the process as the unit where there are three on both sides (Kalibera & Jones 2013).
A change counts when the interval leaves 1 out and the ratio passes the practical threshold;
"the same" is claimed only when the whole interval lies within the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.reporting.text import clean
from edgecnn.results import Accuracy, Measurement, Results

Outcome = Literal["better", "worse", "same", "undecided"]

THRESHOLD = 0.03
RESAMPLES = 4_000
MOST_BLOCKS = 60
_MACHINE = ("board", "cpu_model", "architecture", "logical_cores", "memory_bytes", "governor")
_OPTIONS = ("threads", "scenario", "streams", "affinity", "batch", "precision")
_SERVER_OPTIONS = ("target_qps", "latency_bound_ms")


@dataclass(frozen=True)
class Change:
    """One configuration before and after. `ratio` is latency after / before, below 1 is better.

    In the scenarios "offline" and "server" times are those of a sample: elapsed / samples.
    """

    name: str
    before_ms: float
    after_ms: float
    ratio: float
    low: float
    high: float
    outcome: Outcome
    noisy: bool
    """One of the two measurements is not VALID."""
    accuracy_points: float | None = None
    """Change of accuracy in percentage points, after minus before."""
    accuracy_interval: tuple[float, float] | None = None
    accuracy_outcome: Outcome = "same"
    size_ratio: float | None = None
    memory_ratio: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All changes, what was refused and why, and what only differs around the numbers."""

    changes: tuple[Change, ...]
    threshold: float
    refused: tuple[tuple[str, str], ...] = ()
    """(configuration, reason)."""
    notes: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = field(default=())
    """Configurations that were measured before and have no usable number after."""

    def having(self, outcome: Outcome) -> list[Change]:
        """The changes of that outcome, the largest first."""
        chosen = [change for change in self.changes if change.outcome == outcome]
        return sorted(chosen, key=lambda change: -max(change.ratio, 1 / change.ratio))

    @property
    def less_accurate(self) -> list[Change]:
        """Changes whose accuracy fell beyond chance."""
        return [change for change in self.changes if change.accuracy_outcome == "worse"]

    @property
    def regressed(self) -> bool:
        """Whether anything got significantly worse, or stopped working."""
        return bool(self.having("worse") or self.less_accurate or self.failures)


def compare(
    before: Results, after: Results, threshold: float = THRESHOLD, *, force: bool = False
) -> Comparison:
    """Compare every configuration that both results hold.

    `threshold` is the relative change that matters in practice (0.03 is 3%). Refused unless
    `force` is given: other data or another schema (all of it, InputError), another model file
    of the same name, another scenario, affinity or number of threads, and whatever else was
    asked of the runtime differently (row by row). Other hardware and other versions are what
    comparisons are made for; they become notes.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"the threshold must lie between 0 and 1, received: {threshold:g}")
    obstacles = _obstacles(before, after)
    if obstacles and not force:
        raise InputError(
            f"these results must not be compared: {'; '.join(obstacles)}",
            hint="measure both alike, or give --force to compare all the same",
        )
    olds, news = _by_key(before), _by_key(after)
    changes, refused, failures = [], [], []
    for key in [key for key in olds if key in news]:
        old, new = olds[key], news[key]
        name = _name(old)
        if old.artifact.sha256 != new.artifact.sha256 and not force:
            refused.append((name, _other_model(old, new)))
        elif not _usable(old):
            continue
        elif not _usable(new):
            why = "; ".join(new.reasons) or new.error or new.status
            failures.append((name, clean(f"{new.verdict or new.status}: {why}", 400)))
        else:
            changes.append(_change(name, old, new, threshold))
    lost, gained, apart = _options_apart(
        [olds[key] for key in olds if key not in news],
        [news[key] for key in news if key not in olds],
    )
    for old, new in apart:
        difference = _difference(old, new)
        if not force:
            refused.append((_name(old), difference))
        elif _usable(old) and _usable(new):
            changes.append(_change(f"{_name(old)} ({difference})", old, new, threshold))
    notes = [*(f"forced although {obstacle}" for obstacle in obstacles), *_notes(before, after)]
    return Comparison(
        tuple(changes),
        threshold,
        tuple(refused),
        tuple(notes),
        tuple(_name(row) for row in lost),
        tuple(_name(row) for row in gained),
        tuple(failures),
    )


def ratio_interval(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], seed: int = 0
) -> tuple[float, float, float]:
    """Ratio of median times (after / before) with its 95% bootstrap interval.

    Each side is the times of its processes. Resampled are the medians of processes where both
    sides have three or more, else medians of blocks of consecutive samples, whose length keeps
    their dependence in; a side with a single time gives no interval but (0, ∞).
    """
    whole = [np.asarray([np.median(times) for times in side]) for side in (before, after)]
    units = whole if min(map(len, whole)) >= 3 else [_blocks(before), _blocks(after)]
    ratio = float(np.median(whole[1]) / np.median(whole[0]))
    if min(map(len, units)) < 3:
        return ratio, 0.0, float("inf")
    rng = np.random.default_rng(seed)
    drawn = [
        np.median(unit[rng.integers(0, len(unit), (RESAMPLES, len(unit)))], axis=1)
        for unit in units
    ]
    low, high = np.quantile(drawn[1] / drawn[0], [0.025, 0.975])
    return ratio, min(float(low), ratio), max(float(high), ratio)


def judge(ratio: float, low: float, high: float, threshold: float) -> Outcome:
    """What may be said of a ratio of times with its interval."""
    if low > 1 and ratio > 1 + threshold:
        return "worse"
    if high < 1 and ratio < 1 / (1 + threshold):
        return "better"
    if low >= 1 / (1 + threshold) and high <= 1 + threshold:
        return "same"
    return "undecided"


def accuracy_change(
    before: Accuracy, after: Accuracy
) -> tuple[float, tuple[float, float], Outcome] | None:
    """Change in points, its 95% interval, and what may be said of it; None for other metrics.

    Newcombe's interval of a difference of proportions (1998, method 10) from both Wilson
    intervals; it treats the samples as independent and is wide where they are the same.
    """
    if before.metric != after.metric or before.ci95 is None or after.ci95 is None:
        return None
    change = after.value - before.value
    low = change - sqrt((after.value - after.ci95[0]) ** 2 + (before.ci95[1] - before.value) ** 2)
    high = change + sqrt((after.ci95[1] - after.value) ** 2 + (before.value - before.ci95[0]) ** 2)
    outcome: Outcome = "better" if low > 0 else "worse" if high < 0 else "undecided"
    if change == 0:
        outcome = "same"
    return 100 * change, (100 * low, 100 * high), outcome


def _change(name: str, old: Measurement, new: Measurement, threshold: float) -> Change:
    before, after = _times(old), _times(new)
    ratio, low, high = ratio_interval(before, after)
    change = Change(
        name=name,
        before_ms=float(np.median([np.median(times) for times in before])) / 1e6,
        after_ms=float(np.median([np.median(times) for times in after])) / 1e6,
        ratio=ratio,
        low=low,
        high=high,
        outcome=judge(ratio, low, high, threshold),
        noisy=old.verdict not in ("VALID", None) or new.verdict not in ("VALID", None),
        size_ratio=_quotient(new.artifact.size_bytes, old.artifact.size_bytes),
        memory_ratio=_quotient(new.memory["peak_rss_bytes"], old.memory["peak_rss_bytes"]),
    )
    accuracy = (
        accuracy_change(old.accuracy, new.accuracy) if old.accuracy and new.accuracy else None
    )
    if accuracy is None:
        return change
    points, interval, outcome = accuracy
    return replace(
        change, accuracy_points=points, accuracy_interval=interval, accuracy_outcome=outcome
    )


def _obstacles(before: Results, after: Results) -> list[str]:
    found = []
    if before.schema_version != after.schema_version:
        found.append(f"schema {before.schema_version} before, {after.schema_version} after")
    for name in ("sha256", "name", "split", "n"):
        old, new = before.data.get(name), after.data.get(name)
        if old != new:
            found.append(f"data {name} {clean(old, 24)} before, {clean(new, 24)} after")
            break
    return found


def _notes(before: Results, after: Results) -> list[str]:
    pairs: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any], Sequence[str]], ...] = (
        ("machine", before.environment.machine, after.environment.machine, _MACHINE),
        ("system", before.environment.system, after.environment.system, ()),
        ("package", before.environment.packages, after.environment.packages, ()),
        ("protocol", before.protocol, after.protocol, ("name", "processes", "target_interval")),
    )
    notes = []
    for what, old, new, names in pairs:
        notes += [
            f"{what} {clean(name, 40)}: {clean(old.get(name), 80)} before, "
            f"{clean(new.get(name), 80)} after"
            for name in names or sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
    return notes


def _by_key(results: Results) -> dict[tuple[Any, ...], Measurement]:
    return {
        (*_what(row), *_asked(row).values()): row for row in results.measurements if row.runtime
    }


def _what(row: Measurement) -> tuple[str, str]:
    return row.artifact.name, row.configuration


def _asked(row: Measurement) -> dict[str, Any]:
    """Every option that makes a number another number."""
    server = row.options.scenario == "server"
    names = (*_OPTIONS, *(_SERVER_OPTIONS if server else ()))
    return {name: getattr(row.options, name) for name in names}


def _differing(old: Measurement, new: Measurement) -> list[str]:
    before, after = _asked(old), _asked(new)
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _difference(old: Measurement, new: Measurement) -> str:
    """As in "threads: 1 before, 2 after; affinity: none before, 0,1 after"."""
    told = [
        (name.replace("_", " "), getattr(old.options, name), getattr(new.options, name))
        for name in _differing(old, new)
    ]
    return "; ".join(
        f"{name}: {_option(before)} before, {_option(after)} after" for name, before, after in told
    )


def _option(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return clean(f"{value:g}" if isinstance(value, float) else value, 40)


def _options_apart(
    lost: list[Measurement], gained: list[Measurement]
) -> tuple[list[Measurement], list[Measurement], list[tuple[Measurement, Measurement]]]:
    """Pair rows of one model and runtime whose options differ, where it is plain which belong
    together: each is the other's only nearest, by the number of options that differ.
    """
    apart = []
    for old in lost:
        new = _nearest(old, gained)
        if new is not None and _nearest(new, lost) is old:
            apart.append((old, new))
    paired = {id(row) for pair in apart for row in pair}
    return (
        [row for row in lost if id(row) not in paired],
        [row for row in gained if id(row) not in paired],
        apart,
    )


def _nearest(row: Measurement, others: Sequence[Measurement]) -> Measurement | None:
    """The one of `others` that differs from `row` in the fewest options; None where two do."""
    same = [other for other in others if _what(other) == _what(row)]
    distances = [len(_differing(row, other)) for other in same]
    nearest = [other for other, far in zip(same, distances, strict=True) if far == min(distances)]
    return nearest[0] if len(nearest) == 1 else None


def _usable(row: Measurement) -> bool:
    return row.status == "ok" and row.verdict != "INVALID" and bool(_times(row))


def _name(row: Measurement) -> str:
    options = row.options
    name = f"{row.artifact.name} on {row.configuration} ×{options.threads}"
    if options.batch != 1:
        name += f" batch {options.batch}"
    if options.scenario != "single_stream":
        name += f" {options.scenario} {options.streams}"
    if options.precision != "default":
        name += f" {options.precision}"
    return clean(name, 200)


def _other_model(old: Measurement, new: Measurement) -> str:
    return (
        f"the model file differs: sha256 {clean(old.artifact.sha256)[:12]}… before, "
        f"{clean(new.artifact.sha256)[:12]}… after"
    )


def _times(row: Measurement) -> list[Sequence[float]]:
    """Nanoseconds by process: of an inference, or of a sample where throughput was measured."""
    if row.options.scenario in ("offline", "server"):
        rated = [run.queries for run in row.runs if run.queries.get("samples")]
        return [
            [queries["elapsed_ns"] / queries["samples"]]
            for queries in rated
            if queries.get("valid") is not False and queries.get("elapsed_ns")
        ]
    return [run.samples_ns for run in row.runs if run.samples_ns and np.median(run.samples_ns) > 0]


def _blocks(side: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    medians: list[float] = []
    for times in side:
        count = min(MOST_BLOCKS, max(1, round(sqrt(len(times)))))
        pieces = np.array_split(np.asarray(times, np.float64), count)
        medians += [float(np.median(piece)) for piece in pieces]
    return np.asarray(medians, np.float64)


def _quotient(new: float | None, old: float | None) -> float | None:
    return new / old if new and old else None
