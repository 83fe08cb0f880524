"""Number of valid ids for each input: the sizes of a model's lookup tables.

An id outside of its table is an error in one runtime, and reads memory of something else in
another, which then looks fast. So ids are drawn below the smallest table that they reach.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix

IdLimits = tuple[int | None, ...]

SIZES_BELOW = 2
"""Inputs that are sizes, repeats or counts are drawn below this number."""

Reach = dict[int, int]
"""Which inputs (by number) a value holds, and what was added to their values on the way."""


def id_limits(path: Path) -> IdLimits:
    """For each input of a model file, in its order: ids from 0 to below this number fit every
    table that the input is looked up in, and make sense as sizes where it is one. None for an
    input that is neither.

    An input counts when it reaches the table through operators that move, cast or shift values
    (Reshape, Cast, Slice, a constant added …), also inside of branches, loops and functions.
    Returns () for a file that cannot be read: whether it is whole is judged elsewhere.
    """
    known = by_suffix(Path(path))
    if known is None:
        return ()
    try:
        return known.id_limits(Path(path))
    except (*UNREADABLE, OSError, struct.error):
        return ()


def merged(held: Sequence[Reach]) -> Reach:
    """Of a value that comes in several ways the smallest shift counts: ids below 0 have the
    table's size added (`Where(ids < 0, ids + n, ids)`), and ids from 0 on have not.
    """
    smallest: Reach = {}
    for reach in held:
        for number, added in reach.items():
            smallest[number] = min(added, smallest.get(number, added))
    return smallest


def lower(limits: dict[int, int], reach: Reach, rows: int) -> None:
    """Note in `limits` (by input) that a value which holds inputs is looked up in a table of so
    many rows; 0 is a table of unknown size.
    """
    for number, added in reach.items():
        limit = max(rows - max(added, 0), 1)
        if rows > 0:
            limits[number] = min(limit, limits.get(number, limit))
