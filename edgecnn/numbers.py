"""Format numbers: three significant digits, the unit in the column's head.

`reporting/assets/data.js` writes the same numbers on the page; a browser test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

from edgecnn.statistics.interval import Interval

DASH = "–"


def decimals(value: float, significant: int = 3) -> int:
    """Decimal places that show `significant` digits of `value`, at most 5."""
    if value == 0 or not isfinite(value):
        return 0
    return min(5, max(0, significant - 1 - floor(log10(abs(value)))))


def number(value: float | None, significant: int = 3) -> str:
    """A number with that many significant digits: 0.0852, 8.52, 852, 12,345."""
    return DASH if value is None else f"{value:,.{decimals(value, significant)}f}"


def aligned(values: Sequence[float | None]) -> list[str]:
    """Numbers whose decimal points stand below each other when set flush right."""
    texts = [number(value) for value in values]
    widest = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [
        text + " " * (widest - len(text.partition(".")[2]) + ("." not in text) * (widest > 0))
        for text in texts
    ]


def interval(value: Interval) -> str:
    """`[low, high]` with one digit more than the estimate is shown with; empty without both."""
    if value.bounds is None or value.estimate is None:
        return ""
    low, high = value.bounds
    places = min(5, decimals(value.estimate) + 1)
    return f"[{low:,.{places}f}, {high:,.{places}f}]"


def percent(share: float | None, places: int = 1) -> str:
    """A share (0…1) in per cent."""
    return DASH if share is None else f"{100 * share:.{places}f}%"


def percent_interval(low: float | None, high: float | None) -> str:
    """`[low, high]` of shares, in per cent; empty when there is none."""
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def points(value: float | None) -> str:
    """A difference in percentage points, with its sign (U+2212 for minus)."""
    if value is None:
        return DASH
    text = f"{abs(value):.2f}"
    if float(text) == 0:
        return "±0.00"
    return f"{'−' if value < 0 else '+'}{text}"


def size(count: float | None) -> str:
    """Bytes in decimal units: 987 B, 71.4 kB, 3.46 MB."""
    if count is None:
        return DASH
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{number(count) if unit != 'B' else int(count)} {unit}"
        count /= 1000
    return f"{number(count)} GB"


def plural(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
