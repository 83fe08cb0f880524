"""Layout of an architecture drawing: levels from top to bottom, broken into columns.

K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
structures", 1981, in small: a level for each step of the longest way, a bend in each level that
a line passes, and the order within a level by what is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

BOX_WIDTH, BOX_HEIGHT = 232, 46
GAP, RISE = 18, 26
PITCH = BOX_HEIGHT + RISE
BEND_WIDTH = 14
GUTTER = 64
_ASPECT = 1.4

Point = tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """A box: the middle of its upper side."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class DrawingPlan:
    """Boxes and lines, from (0, 0) to (width, height) in pixels."""

    boxes: tuple[Placed, ...]
    edges: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass(frozen=True)
class _Slot:
    """A place in a level: the box `name`, or the bend of the line from `name` to `target`."""

    name: str
    level: int
    target: str | None = None

    @property
    def width(self) -> int:
        return BOX_WIDTH if self.target is None else BEND_WIDTH


def arrange(names: Sequence[str], reads: Mapping[str, Sequence[str]]) -> DrawingPlan:
    """Place boxes `names`, each after those it `reads`."""
    level = _levels(names, reads)
    ways = {
        (source, name): [
            _Slot(source, level[source]),
            *(_Slot(source, row, name) for row in range(level[source] + 1, level[name])),
            _Slot(name, level[name]),
        ]
        for name in names
        for source in reads[name]
    }
    rows = _ordered(names, level, ways)
    columns = _columns(rows)
    x_of: dict[_Slot, float] = {}
    place_of: dict[int, tuple[int, float]] = {}
    left_of: list[float] = []
    left = 0.0
    for number, column in enumerate(columns):
        width = max(_extent(rows[row]) for row in column)
        left_of.append(left)
        for place, row in enumerate(column):
            place_of[row] = (number, float(place * PITCH))
            x_of.update(_side_by_side(rows[row], left + width / 2))
        left += width + GUTTER
    boxes = tuple(
        Placed(name, x_of[_Slot(name, level[name])], place_of[level[name]][1]) for name in names
    )
    edges = tuple(_line(way, x_of, place_of, left_of) for way in ways.values())
    height = max(len(column) for column in columns) * PITCH
    return DrawingPlan(boxes, edges, left - GUTTER, float(height))


def _levels(names: Sequence[str], reads: Mapping[str, Sequence[str]]) -> dict[str, int]:
    level: dict[str, int] = {}
    for name in names:
        level[name] = max((level[source] + 1 for source in reads[name]), default=0)
    return level


def _ordered(
    names: Sequence[str],
    level: Mapping[str, int],
    ways: Mapping[tuple[str, str], Sequence[_Slot]],
) -> list[list[_Slot]]:
    """The slots of each level, those nearest to what they read next to each other."""
    rows: list[list[_Slot]] = [[] for _ in range(max(level.values()) + 1)]
    for name in names:
        rows[level[name]].append(_Slot(name, level[name]))
    before: dict[_Slot, list[_Slot]] = {}
    for way in ways.values():
        for source, slot in pairwise(way):
            before.setdefault(slot, []).append(source)
            if slot.target is not None:
                rows[slot.level].append(slot)
    rank: dict[_Slot, float] = {}
    for row in rows:
        wish = {
            slot: sum(rank[source] for source in before.get(slot, ()))
            / max(1, len(before.get(slot, ())))
            for slot in row
        }
        row.sort(key=lambda slot: wish[slot])  # stable: boxes in the model's order, then bends
        rank.update((slot, place / len(row)) for place, slot in enumerate(row))
    return rows


def _columns(rows: Sequence[Sequence[_Slot]]) -> list[list[int]]:
    """Levels cut into columns of about equal height, only under a box that stands alone."""
    width = max(_extent(row) for row in rows) + GUTTER
    count = max(1, round(sqrt(len(rows) * PITCH * _ASPECT / width)))
    allowed = [number for number in range(1, len(rows)) if len(rows[number - 1]) == 1]
    wished = [len(rows) * part / count for part in range(1, count)]
    cuts = {min(allowed, key=lambda cut: abs(cut - wish)) for wish in wished} if allowed else set()
    bounds = [0, *sorted(cuts), len(rows)]
    return [list(range(first, end)) for first, end in pairwise(bounds)]


def _extent(row: Sequence[_Slot]) -> float:
    """Width of a level; with a single box its bends keep a side free, so that it stays in line."""
    boxes = sum(slot.target is None for slot in row)
    bends = len(row) - boxes
    if boxes == 1:
        return BOX_WIDTH + 2 * bends * (BEND_WIDTH + GAP)
    return sum(slot.width for slot in row) + GAP * (len(row) - 1)


def _side_by_side(row: Sequence[_Slot], middle: float) -> dict[_Slot, float]:
    """x of each slot: a single box in the middle with all lines to its right."""
    boxes = [slot for slot in row if slot.target is None]
    if len(boxes) == 1:
        centers = {boxes[0]: middle}
        x = middle + BOX_WIDTH / 2
        for slot in row:
            if slot.target is not None:
                x += GAP + BEND_WIDTH
                centers[slot] = x - BEND_WIDTH / 2
        return centers
    x = middle - _extent(row) / 2
    centers = {}
    for slot in row:
        centers[slot] = x + slot.width / 2
        x += slot.width + GAP
    return centers


def _line(
    way: Sequence[_Slot],
    x_of: Mapping[_Slot, float],
    place_of: Mapping[int, tuple[int, float]],
    left_of: Sequence[float],
) -> tuple[Point, ...]:
    """From under the first box of `way` over its bends to above the last."""
    points: list[Point] = []
    for slot, after in pairwise(way):
        column, y = place_of[slot.level]
        next_column, next_y = place_of[after.level]
        points.append((x_of[slot], y + BOX_HEIGHT))
        if next_column != column:  # down, over to the gap between the columns, up, and in
            between = left_of[next_column] - GUTTER / 2
            below, above = y + BOX_HEIGHT + RISE / 2, next_y - RISE * 0.7
            points += [(x_of[slot], below), (between, below), (between, above)]
            points.append((x_of[after], above))
        points.append((x_of[after], next_y))
    return tuple(points)
