"""Layout-independent parts of an explanation: tiles in rows, tables, sections."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgecnn.explanation.explain import Explanation
from edgecnn.text import clean

ImageArray = npt.NDArray[np.uint8]

MEDIUM = 256
"""Pixels a side of an enlarged image."""


@dataclass(frozen=True)
class Tile:
    """An image with its words; `bar` (0…1) draws a share below it."""

    image: ImageArray
    title: str
    note: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class TileRow:
    """Tiles of one size side by side, under a heading of their own where there are several."""

    tiles: tuple[Tile, ...]
    size: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class NumberTable:
    """Numbers; the first column names the line."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """One thing to see. `caption` says what it is, `how` how it was computed."""

    name: str
    title: str
    caption: str
    how: str
    rows: tuple[TileRow, ...] = ()
    table: NumberTable | None = None
    chart: bool = False
    notes: tuple[str, ...] = field(default=())


def label(explanation: Explanation, index: int) -> str:
    """The name of a class, for a page."""
    return clean(explanation.subject.label(int(index)), 60)
