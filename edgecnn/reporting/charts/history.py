"""One series as an SVG drawing: points with their intervals, levels, and where they change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from math import floor, log10

from edgecnn import numbers
from edgecnn.store.history import Point, Series
from edgecnn.text import fitted

WIDTH, HEIGHT = 900, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 12, 28
MOST_POINTS = 1_500
"""That are drawn: of more, every second, third …"""


def draw(series: Series) -> str:
    """An SVG element. Every text in it is escaped; colors come from the page's style sheet."""
    points = series.points
    scale = _Scale(points)
    step = max(1, -(-len(points) // MOST_POINTS))
    label = f"{fitted(series.name)} on {fitted(series.machine)}: {series.metric.title} over time"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="history" '
        f'aria-label="{escape(label, quote=True)}">'
    ]
    for tick in scale.ticks:
        y = scale.y(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(series, tick)}</text>'
        )
    for at, anchor in ((points[0].at, "start"), (points[-1].at, "end")):
        parts.append(
            f'<text x="{scale.x(at)}" y="{HEIGHT - 8}" text-anchor="{anchor}">{_date(at)}</text>'
        )
    for point in points[::step]:
        if point.low is not None and point.high is not None:
            x = scale.x(point.at)
            parts.append(
                f'<line class="interval" x1="{x}" x2="{x}" '
                f'y1="{scale.y(point.low)}" y2="{scale.y(point.high)}"/>'
            )
    parts += _levels(series, scale)
    for point in points[::step]:
        kind = "invalid" if point.verdict == "INVALID" else "noisy" * (point.verdict == "NOISY")
        title = f"{_date(point.at)}: {numbers.number(point.value, 4)} {series.metric.unit}"
        parts.append(
            f'<circle class="{kind or "valid"}" cx="{scale.x(point.at)}" '
            f'cy="{scale.y(point.value)}" r="3"><title>{escape(title)}</title></circle>'
        )
    return "".join([*parts, "</svg>"])


def _levels(series: Series, scale: _Scale) -> list[str]:
    """The typical value between two changes as a line, and a mark where a new level begins."""
    if not series.changes:
        return []
    starts = [0, *(change.index for change in series.changes)]
    ends = [*(change.index - 1 for change in series.changes), len(series.points) - 1]
    values = [series.changes[0].before, *(change.after for change in series.changes)]
    parts = []
    for start, end, value in zip(starts, ends, values, strict=True):
        y = scale.y(value)
        left, right = scale.x(series.points[start].at), scale.x(series.points[end].at)
        parts.append(f'<line class="level" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
    for change in series.changes:
        x = scale.x(series.points[change.index].at)
        kind = "worse" if series.is_worse(change) else "better"
        bottom = HEIGHT - _BOTTOM
        parts.append(f'<line class="change {kind}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>')
    return parts


class _Scale:
    """Time and value → pixels."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._first = points[0].at
        self._secs = max(points[-1].at - self._first, 1.0)
        values = sorted(point.value for point in points)
        low, high = values[0], values[-1]
        margin = max((high - low) * 0.1, abs(high) * 0.02) or 1.0
        self._low, self._high = low - margin, high + margin
        self.ticks = _round_numbers(self._low, self._high)

    def x(self, at: float) -> float:
        width = WIDTH - _LEFT - _RIGHT
        return round(_LEFT + (at - self._first) / self._secs * width, 1)

    def y(self, value: float) -> float:
        """An interval that leaves the drawing is cut off at its edge."""
        share = (value - self._low) / (self._high - self._low)
        share = min(1.0, max(0.0, share))
        return round(_TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM), 1)


def _round_numbers(low: float, high: float) -> list[float]:
    """Three to seven round numbers between two values."""
    raw = (high - low) / 5
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = -(-low // step)
    return [(first + index) * step for index in range(int(high // step - first) + 1)]


def _tick(series: Series, value: float) -> str:
    if series.metric.unit == "bytes":
        return escape(numbers.size(value))
    return escape(f"{value:.4g}")


def _date(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return numbers.DASH
