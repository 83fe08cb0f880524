"""Rows as flat columns: the names that a page's scripts, CSV files and summaries know.

A field of a group (`Row.speed` …) is a column of its own name; an `Interval` is three: its
estimate under the field's name, and its bounds with `_low` and `_high`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, get_type_hints

from edgecnn.analysis.row import Row
from edgecnn.statistics.interval import Interval

INTERNAL = frozenset({"times", "record", "peak_rss_high"})
"""What other columns are worked out from, or would say twice."""


def _paths(kind: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(column, dotted attribute) of every value of a dataclass, groups and intervals opened."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        path = f"{prefix}{field.name}"
        if field.name in INTERNAL:
            continue
        if hints[field.name] is Interval:
            yield field.name, f"{path}.estimate"
            yield f"{field.name}_low", f"{path}.low"
            yield f"{field.name}_high", f"{path}.high"
        elif is_dataclass(hints[field.name]):
            yield from _paths(hints[field.name], f"{path}.")
        else:
            yield field.name, path


COLUMNS: Mapping[str, Callable[[Row], Any]] = {name: attrgetter(path) for name, path in _paths(Row)}
"""Each column with what reads it from a row."""


def flat(row: Row) -> dict[str, Any]:
    """A row's values by column."""
    return {name: read(row) for name, read in COLUMNS.items()}
