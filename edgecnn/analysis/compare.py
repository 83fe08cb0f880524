"""Compare two results: improvements, regressions and undecided rows.

For each configuration the ratio of latencies (after / before) with a 95% interval from the
processes of both sides (`statistics.ratios.unpaired`). A change counts when it is sure (99%) and
passes the practical threshold; "the same" is claimed only when the whole interval lies within the
threshold. What could not be compared is counted, and no answer covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgecnn.analysis import matching
from edgecnn.analysis.machines import READABLE_SCHEMAS, distinct
from edgecnn.analysis.pairing import between, times_of
from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.results import Accuracy, Measurement, Results
from edgecnn.results.accuracy_drop import drop_between
from edgecnn.results.scored_split import scored_samples
from edgecnn.statistics.interval import Interval
from edgecnn.statistics.ratios import CALL, FEWEST, Ratio
from edgecnn.text import fitted

ChangeOutcome = Literal["better", "worse", "same", "undecided"]

THRESHOLD = 0.03
SHAKY_THRESHOLD = 0.10
"""Of rows that are not VALID, or had a neighbor half of the time: their runs differ by so much from
each other when nothing changed (up to 9.6% in 33 of 423 rows of equal runs)."""
HALF = 0.5


@dataclass(frozen=True)
class RowChange:
    """One configuration before and after. `ratio` is latency after / before, below 1 is better.

    Its bounds are None where there is no interval, and `lack` says why. In the
    scenarios "offline" and "server" times are those of a sample: elapsed / samples.
    """

    name: str
    before_ms: float
    after_ms: float
    ratio: Interval
    outcome: ChangeOutcome
    noisy: bool
    """One of the two measurements is not VALID."""
    lack: str = ""
    processes: tuple[int, int] = (0, 0)
    accuracy_points: float | None = None
    """Change of accuracy in percentage points, after minus before."""
    accuracy_interval: tuple[float, float] | None = None
    accuracy_outcome: ChangeOutcome = "same"
    size_ratio: float | None = None
    memory_ratio: float | None = None

    @property
    def too_few(self) -> bool:
        """Whether there are too few processes for an interval."""
        return min(self.processes) < FEWEST

    @property
    def factor(self) -> float:
        """How many times slower or faster, 1 and more."""
        ratio = self.ratio.estimate or 1.0
        return max(ratio, 1 / ratio)


@dataclass(frozen=True)
class Comparison:
    """All changes, what could not be compared and why, and what only differs around the numbers.

    Pairs are (configuration, reason).
    """

    changes: tuple[RowChange, ...]
    threshold: float
    refused: tuple[tuple[str, str], ...] = ()
    """Measured on both sides, and not to be compared."""
    notes: tuple[str, ...] = ()
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """Measured before, without a usable number after."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Without a usable number before, with samples that are not times, or unreadable."""
    unusable: tuple[tuple[str, str], ...] = ()
    """Without a usable number before and after: a runtime that is missing, an INVALID row."""
    repeat: bool = False
    """Both were measured on the same machine with the same software: the second repeats the
    first."""

    def having(self, outcome: ChangeOutcome) -> list[RowChange]:
        """The changes of that outcome, the largest first."""
        chosen = [change for change in self.changes if change.outcome == outcome]
        return sorted(chosen, key=lambda change: -change.factor)

    @property
    def less_accurate(self) -> list[RowChange]:
        """Changes whose accuracy fell beyond chance."""
        return [change for change in self.changes if change.accuracy_outcome == "worse"]

    @property
    def regressed(self) -> bool:
        """Whether anything got significantly worse, or stopped working."""
        return bool(self.having("worse") or self.less_accurate or self.failures)

    @property
    def without_interval(self) -> list[RowChange]:
        """Changes of which nothing can be said: too few processes on a side, or all of them
        disturbed.
        """
        return [change for change in self.changes if change.ratio.bounds is None]

    @property
    def complete(self) -> bool:
        """Whether every configuration that both sides hold could be compared."""
        return not (self.refused or self.left_out or self.without_interval)


def compare(
    before: Results,
    after: Results,
    threshold: float = THRESHOLD,
    *,
    allow_differences: bool = False,
) -> Comparison:
    """Compare every configuration that both results hold.

    `threshold` is the relative change that matters in practice (0.03 is 3%). Refused unless
    `allow_differences` is given: other data or another schema (all of it, InputError), another
    model file of the same name, another scenario, affinity or number of threads, and whatever
    else was asked of the runtime differently (row by row). Other hardware and other versions are
    what comparisons are made for; they become notes.
    """
    if not 0 <= threshold < 1:
        raise InputError(f"the threshold must lie between 0 and 1, received: {threshold:g}")
    obstacles = _obstacles(before, after)
    if obstacles and not allow_differences:
        raise InputError(
            f"these results must not be compared: {'; '.join(obstacles)}",
            hint="measure both in the same way, or pass --allow-differences to compare anyway",
        )
    same_samples = not _other_data(before, after)
    matched, name = matching.match(before, after), matching.names(before, after)
    collector = _Collector(threshold, same_samples)
    for old, new in matched.pairs:
        if old.artifact.sha256 != new.artifact.sha256 and not allow_differences:
            collector.refused.append((name(old), _other_model(old, new)))
        else:
            collector.enter(name(old), old, new)
    for old, new in matched.apart:
        difference = matching.difference(old, new)
        if allow_differences:
            collector.enter(f"{name(old)} ({difference})", old, new)
        else:
            collector.refused.append((name(old), difference))
    collector.refused += [(name(old), reason) for old, reason in matched.ambiguous]
    for side, results in (("before", before), ("after", after)):
        collector.left_out += [(lost.row, f"{side}: {lost.reason}") for lost in results.left_out]
    around = matching.differences_around(before, after)
    if len(distinct([before, after])[0]) == 1:
        around.insert(0, "nothing: one is the other's own measurements or a part of them")
    return Comparison(
        tuple(collector.changes),
        threshold,
        tuple(collector.refused),
        (*(f"compared although {obstacle}" for obstacle in obstacles), *around),
        tuple(name(row) for row in matched.only_before),
        tuple(name(row) for row in matched.only_after),
        tuple(collector.failures),
        tuple(collector.left_out),
        tuple(collector.unusable),
        repeat=not matching.differences_of_machine(before, after),
    )


class _Collector:
    """What became of each pair of rows."""

    def __init__(self, threshold: float, same_samples: bool) -> None:
        self._threshold = threshold
        self._same_samples = same_samples
        self.changes: list[RowChange] = []
        self.refused: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        self.unusable: list[tuple[str, str]] = []

    def enter(self, name: str, old: Measurement, new: Measurement) -> None:
        before, after = old.unusable_reason, new.unusable_reason
        if before and after:
            self.unusable.append((name, f"{before} (before), {after} (after)"))
        elif after:
            self.failures.append((name, after))
        elif before:
            self.left_out.append((name, f"before: {before}"))
        else:
            change = _change(name, old, new, self._threshold, self._same_samples)
            if change is None:
                self.left_out.append((name, "samples that are not times, or none at all"))
            else:
                self.changes.append(change)


def classify_ratio(ratio: Ratio | None, threshold: float, *, shaky: bool = False) -> ChangeOutcome:
    """What follows from a ratio of times; without one nothing is decided.

    `shaky` rows must differ by `SHAKY_THRESHOLD` at least.
    """
    if ratio is None:
        return "undecided"
    low, high = ratio.interval(CALL)
    least = 1 + (max(threshold, SHAKY_THRESHOLD) if shaky else threshold)
    if low > 1 and ratio.value > least:
        return "worse"
    if high < 1 and ratio.value < 1 / least:
        return "better"
    low, high = ratio.interval()
    if low >= 1 / (1 + threshold) and high <= 1 + threshold:
        return "same"
    return "undecided"


def accuracy_change(
    before: Accuracy, after: Accuracy, *, same_samples: bool = False
) -> tuple[float, tuple[float, float], ChangeOutcome] | None:
    """Change in points, its 95% interval, and what follows from it; None for other metrics.

    Compared sample by sample where both answered the same and their answers were kept.
    """
    drop = drop_between(before, after, same_samples=same_samples)
    sure = drop_between(before, after, same_samples=same_samples, confidence=CALL)
    if drop is None or sure is None:
        return None
    outcome: ChangeOutcome = "better" if sure.high < 0 else "worse" if sure.low > 0 else "undecided"
    if drop.points == 0:
        outcome = "same"
    return -drop.points, (-drop.high, -drop.low), outcome


def _change(
    name: str, old: Measurement, new: Measurement, threshold: float, same_samples: bool
) -> RowChange | None:
    before, after = times_of(old), times_of(new)
    difference = between(before, after, one_session=False)
    if difference is None or before.broken or after.broken:
        return None
    noisy = any(row.verdict not in ("VALID", None) for row in (old, new))
    shaky = noisy or any(_disturbed(row) for row in (old, new))
    change = RowChange(
        name=name,
        before_ms=difference.first_ms,
        after_ms=difference.second_ms,
        ratio=Interval.around(difference.value, difference.interval),
        outcome=classify_ratio(difference.ratio, threshold, shaky=shaky),
        noisy=noisy,
        lack=difference.lack,
        processes=difference.processes,
        size_ratio=_quotient(new.artifact.size_bytes, old.artifact.size_bytes),
        memory_ratio=_quotient(new.memory["peak_rss_bytes"], old.memory["peak_rss_bytes"]),
    )
    if old.accuracy is None or new.accuracy is None:
        return change
    accuracy = accuracy_change(old.accuracy, new.accuracy, same_samples=same_samples)
    if accuracy is None:
        return change
    points, interval, outcome = accuracy
    return replace(
        change, accuracy_points=points, accuracy_interval=interval, accuracy_outcome=outcome
    )


def _disturbed(row: Measurement) -> bool:
    return row.contention is not None and row.contention.share > HALF


def _obstacles(before: Results, after: Results) -> list[str]:
    obstacles = []
    if not {before.schema_version, after.schema_version} <= READABLE_SCHEMAS:
        obstacles.append(f"schema {before.schema_version} before, {after.schema_version} after")
    return [*obstacles, *_other_data(before, after)]


def _other_data(before: Results, after: Results) -> list[str]:
    for name in ("sha256", "name", "split", "samples", "set_apart"):
        old, new = (_tested(each.data, name) for each in (before, after))
        if old != new and (name != "samples" or None not in (old, new)):
            return [f"data {name} {fitted(old, 24)} before, {fitted(new, 24)} after"]
    return []


def _tested(data: Mapping[str, Any], name: str) -> Any:
    """What results say of their data; of the samples, how many are in the test split."""
    return scored_samples(data) if name == "samples" else data.get(name) or None


def _other_model(old: Measurement, new: Measurement) -> str:
    return (
        f"the model file differs: sha256 {fitted(old.artifact.sha256)[:12]}… before, "
        f"{fitted(new.artifact.sha256)[:12]}… after"
    )


def _quotient(new: float | None, old: float | None) -> float | None:
    return new / old if new and old else None


__getattr__ = old_names(__name__, {"Outcome": "ChangeOutcome", "Change": "RowChange"})
