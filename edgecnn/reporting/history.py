"""A history on the terminal, as a page and as CSV: pure functions over `store.history.Series`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from edgecnn import numbers
from edgecnn.escaping import csv_cell
from edgecnn.reporting.charts.history import draw
from edgecnn.statistics.change_points import ChangePoint
from edgecnn.store.history import Metric, Series, newest_first
from edgecnn.text import fitted

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_SERIES = 40
"""On the terminal and on the page; the CSV holds all."""
MOST_VERSIONS = 6
_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 60


def terminal(series: Sequence[Series]) -> RenderableType:
    """A rich renderable: each series with a line of bars, its range and its changes."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for one in newest_first(series)[:MOST_SERIES]:
        parts.append(Text(fitted(one.name, 200), style="bold"))
        parts.append(Text(f"  {fitted(one.machine)}", style="dim"))
        parts.append(Text(f"  {bars([point.value for point in one.points])}  {span(one)}"))
        for change in one.changes:
            style = "red" if one.is_worse(change) else "green"
            parts.append(Text(f"  {said(one, change)}", style=style))
        if not one.changes:
            parts.append(Text(f"  {unchanged(one)}", style="dim"))
    if len(series) > MOST_SERIES:
        parts.append(Text(f"and {len(series) - MOST_SERIES} more series; --out FILE.csv has all"))
    return Group(*parts)


def bars(values: Sequence[float], width: int = _WIDEST) -> str:
    """Values as block characters, the smallest lowest; the mean of neighbors where they are many.

    A range of less than 2% is drawn flat, so that noise does not look like a mountain.
    """
    if not values:
        return ""
    count = min(width, len(values))
    edges = [len(values) * index // count for index in range(count + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    spread = max(high - low, 0.02 * abs(high)) or 1.0
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / spread * top)] for value in means)


def span(series: Series) -> str:
    """How many measurements from when to when, and the first and the last value."""
    points = series.points
    first, last = points[0], points[-1]
    days = day(first.at) if day(first.at) == day(last.at) else f"{day(first.at)} to {day(last.at)}"
    values = value(series.metric, last.value)
    if len(points) > 1:
        values = f"{value(series.metric, first.value)} → {values}"
    return f"{numbers.plural(len(points), 'measurement')}, {days}: {values}"


def unchanged(series: Series) -> str:
    """Why no change is named."""
    if len(series.points) < 6:
        return "too few measurements to see a change: three on each side are needed"
    return "no change"


def said(series: Series, change: ChangePoint) -> str:
    """A change in a sentence, with what has another version from then on."""
    metric = series.metric
    word = "worse" if series.is_worse(change) else "better"
    if metric.name in ("p50", "p90", "p99", "load", "first"):
        word = "slower" if change.ratio > 1 else "faster"
    interval = f"[{percent(change.low)}, {percent(change.high)}]"
    levels = f"{value(metric, change.before)} → {value(metric, change.after)}"
    changed = [fitted(each) for each in series.versions_at(change)]
    more = f" and {len(changed) - MOST_VERSIONS} more" if len(changed) > MOST_VERSIONS else ""
    versions = ", ".join(changed[:MOST_VERSIONS]) + more or "no version that is known"
    return (
        f"{day(series.points[change.index].at)}: {percent(change.ratio)} {interval} {word}, "
        f"{levels}; changed: {versions}"
    )


def percent(ratio: float) -> str:
    """A ratio as a change: +5.2%, −3.0%."""
    return f"{100 * (ratio - 1):+.1f}%".replace("-", "−")


def value(metric: Metric, number: float) -> str:
    """A value with its unit."""
    if metric.unit == "bytes":
        return numbers.size(number)
    if metric.name == "accuracy":
        return f"{number:.4f}"
    return f"{numbers.number(number)} {metric.unit}".rstrip()


def day(at: float) -> str:
    """A date (UTC) as 2026-11-28."""
    return _time(at).strftime("%Y-%m-%d")


def _time(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


COLUMNS = (
    "configuration", "machine", "measured_at", "metric", "unit", "value", "low", "high", "verdict",
    "label", "session", "change", "changed_versions",
)  # fmt: skip


def table(series: Sequence[Series]) -> str:
    """RFC 4180 text: a line for each measurement; `change` is the ratio where a change begins."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in series:
        changes = {change.index: change for change in one.changes}
        for index, point in enumerate(one.points):
            change = changes.get(index)
            versions = "; ".join(map(str, one.versions_at(change))) if change else ""
            cells = (
                one.name, one.machine, _time(point.at).isoformat(timespec="seconds"),
                one.metric.name, one.metric.unit, point.value, point.low, point.high,
                point.verdict, point.label, point.session, change.ratio if change else None,
                versions,
            )  # fmt: skip
            writer.writerow([csv_cell(cell) for cell in cells])
    return out.getvalue()


@dataclass(frozen=True)
class _Section:
    name: str
    machine: str
    span: str
    changes: tuple[tuple[str, bool], ...]
    unchanged: str
    chart: str


def page(series: Sequence[Series]) -> str:
    """A page of its own: drawings without scripts, no network, the report's looks."""
    import jinja2

    from edgecnn.reporting.assets import read

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    ordered = newest_first(series)
    sections = [
        _Section(
            fitted(one.name, 200),
            fitted(one.machine),
            span(one),
            tuple((said(one, change), one.is_worse(change)) for change in one.changes),
            "" if one.changes else unchanged(one),
            draw(one),
        )
        for one in ordered[:MOST_SERIES]
    ]
    worse = sum(one.is_worse(change) for one in series for change in one.changes)
    total = sum(len(one.changes) for one in series)
    return environment.from_string(read("history.html.j2")).render(
        css=read("page.css"),
        title=ordered[0].metric.title if ordered else "History",
        headline=f"{numbers.plural(total, 'change')}, {worse} for the worse",
        sections=sections,
        more=max(0, len(ordered) - MOST_SERIES),
    )
