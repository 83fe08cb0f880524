"""Small charts as HTML tables: a label, a strip with marks, the number in words.

They need no script, follow the page's theme, and read as tables where images do not help.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Scale:
    """From values to percent of a strip's width; `band` is a range to shade, `at` a line."""

    low: float
    high: float
    logarithmic: bool = False
    band: tuple[float, float] | None = None
    at: float | None = None

    def place(self, value: float) -> float:
        """Percent from the left, inside of the strip."""
        low, high, here = (
            (math.log(self.low), math.log(self.high), math.log(max(value, 1e-12)))
            if self.logarithmic
            else (self.low, self.high, value)
        )
        return min(max(3 + 94 * (here - low) / (high - low), 1), 99)


@dataclass(frozen=True)
class Line:
    """A row: what it is, its dots (value, CSS class), intervals, a bar from the left, its words."""

    label: str
    words: str
    dots: Sequence[tuple[float, str]] = ()
    intervals: Sequence[tuple[float, float]] = ()
    bar: float | None = None
    notes: str = field(default="")


def figure(caption: str, scale: Scale, lines: Sequence[Line], *, ends: str = "") -> str:
    """A figure of HTML: `caption` above, one strip for each line, `ends` says what the scale is."""
    rows = "\n".join(_row(line, scale) for line in lines)
    foot = f"<p class='ends'>{escape(ends)}</p>\n" if ends else ""
    return (
        f"<figure class='plot'>\n<figcaption>{escape(caption)}</figcaption>\n"
        f"<table>\n<tbody>\n{rows}\n</tbody>\n</table>\n{foot}</figure>\n"
    )


def missing(name: str, command: str) -> str:
    """What stands where nothing was measured yet."""
    return f'!!! note "Not measured yet"\n    `{command}` writes `{name}`.\n'


def _row(line: Line, scale: Scale) -> str:
    marks = ["<rect class='strip' x='0' y='0' width='100%' height='18'></rect>"]
    if scale.band:
        left, right = (scale.place(value) for value in scale.band)
        marks.append(_rectangle("band", left, right, 0, 18))
    if scale.at is not None:
        x = scale.place(scale.at)
        marks.append(f"<line class='at' x1='{x:.2f}%' x2='{x:.2f}%' y1='0' y2='18'></line>")
    if line.bar is not None:
        marks.append(_rectangle("bar", scale.place(scale.low), scale.place(line.bar), 5, 8))
    for low, high in line.intervals:
        left, right = scale.place(low), scale.place(high)
        marks.append(
            f"<line class='interval' x1='{left:.2f}%' x2='{right:.2f}%' y1='9' y2='9'></line>"
        )
    for value, kind in line.dots:
        marks.append(
            f"<circle class='{kind}' cx='{scale.place(value):.2f}%' cy='9' r='4'></circle>"
        )
    strip = f"<svg class='strip' aria-hidden='true' height='18'>{''.join(marks)}</svg>"
    notes = f"<small>{escape(line.notes)}</small>" if line.notes else ""
    return (
        f"<tr><th scope='row'>{escape(line.label)}{notes}</th>"
        f"<td class='strip'>{strip}</td><td>{escape(line.words)}</td></tr>"
    )


def _rectangle(kind: str, left: float, right: float, top: int, height: int) -> str:
    return (
        f"<rect class='{kind}' x='{left:.2f}%' y='{top}' width='{max(right - left, 0.4):.2f}%' "
        f"height='{height}'></rect>"
    )
