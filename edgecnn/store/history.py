"""A number over time: what a history is made of.

A series follows one configuration (file name, runtime, device, options) on one machine through
versions of the model file, the runtime, the packages and the system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgecnn.results.foreign_text import make_harmless
from edgecnn.statistics.change_points import ChangePoint, find_changes


@dataclass(frozen=True)
class Metric:
    """A number that results hold. `columns` are value, and low and high end where there are.

    Changes are looked for on a logarithmic scale: a value below `least` counts as that there.
    """

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]
    smaller_is_better: bool = True
    least: float = 0.0


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("p50", "Latency p50", "ms", ("p50_ms", "p50_low_ms", "p50_high_ms")),
        Metric("p90", "Latency p90", "ms", ("p90_ms",)),
        Metric("p99", "Latency p99", "ms", ("p99_ms",)),
        Metric("throughput", "Throughput", "1/s", ("throughput_per_s",), smaller_is_better=False),
        Metric("load", "Load time", "ms", ("load_ms",)),
        Metric("first", "First inference", "ms", ("first_inference_ms",)),
        Metric("memory", "Peak memory", "bytes", ("peak_rss_bytes",)),
        Metric("size", "File size", "bytes", ("size_bytes",)),
        Metric(
            "accuracy",
            "Accuracy",
            "",
            ("accuracy", "accuracy_low", "accuracy_high"),
            smaller_is_better=False,
            least=0.01,
        ),
    )
}


@dataclass(frozen=True)
class Point:
    """One measurement. `at` is in seconds since 1970, `low` … `high` its 95% interval.

    `versions` is everything with a version that it ran on: packages, runtime, model file, system.
    """

    at: float
    value: float
    low: float | None = None
    high: float | None = None
    verdict: str = ""
    session: int = 0
    measurement: int = 0
    label: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_harmless(self, "verdict", "label", "versions")


@dataclass(frozen=True)
class VersionChange:
    """Something that has another version after a change than before; empty: it was not there."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before or 'none'} → {self.after or 'none'}"


@dataclass(frozen=True)
class Series:
    """One configuration on one machine, points by time."""

    name: str
    machine: str
    metric: Metric
    points: tuple[Point, ...]
    changes: tuple[ChangePoint, ...] = ()

    def __post_init__(self) -> None:
        make_harmless(self, "name", "machine")

    def with_changes(self) -> Series:
        """A copy with its change points. INVALID measurements are not evidence of a change."""
        used = [index for index, point in enumerate(self.points) if point.verdict != "INVALID"]
        least = self.metric.least
        change_points = find_changes(
            [max(self.points[index].value, least) for index in used],
            [_interval(self.points[index], least) for index in used],
        )
        changes = tuple(
            replace(
                change,
                index=used[change.index],
                before=_level(change.before, least),
                after=_level(change.after, least),
            )
            for change in change_points
        )
        return replace(self, changes=changes)

    def is_worse(self, change: ChangePoint) -> bool:
        """Whether a change is one for the worse."""
        return (change.ratio > 1) == self.metric.smaller_is_better

    def versions_at(self, change: ChangePoint) -> tuple[VersionChange, ...]:
        """What has another version from the change's first point on than right before it.

        Where nothing has, what changed one measurement earlier or later: noise can move the
        place of a small change by one.
        """
        for index in (change.index, change.index - 1, change.index + 1):
            if 0 < index < len(self.points):
                before, after = self.points[index - 1], self.points[index]
                version_changes = changed_versions(before.versions, after.versions)
                if version_changes:
                    return version_changes
        return ()


def changed_versions(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[VersionChange, ...]:
    """Names whose version differs, sorted."""
    names = sorted(before.keys() | after.keys())
    return tuple(
        VersionChange(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    )


def newest_first(series: Sequence[Series]) -> list[Series]:
    """Series whose last change is the most recent come first, then those with most points."""

    def last(one: Series) -> float:
        return one.points[one.changes[-1].index].at if one.changes else float("-inf")

    return sorted(series, key=lambda one: (-last(one), -len(one.points), one.name))


def _level(value: float, least: float) -> float:
    """A level as it is shown: what counts as `least` is nothing."""
    return 0.0 if value <= least * (1 + 1e-9) else value


def _interval(point: Point, least: float) -> tuple[float, float] | None:
    if point.low is None or point.high is None:
        return None
    return max(point.low, least), max(point.high, least)
