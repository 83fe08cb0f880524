"""Postprocessing of a detector's outputs, as recorded in the manifest.

With `preprocessing` this is the other half of what a file does not say by itself: which head
made its outputs, with which strides and anchors, and what its classes are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from edgecnn.errors import InputError

MOST_CLASSES = 50_000
LONGEST_NAME = 200
MOST_LEVELS = 16


@dataclass(frozen=True)
class Postprocessing:
    """The head by its name in `registry.HEADS`, and what it needs to know.

    `class_names` are in the order of the outputs, empty where nobody names them. `strides` are
    the steps of the head's grids in pixels, `anchors` widths and heights in turn, one row for
    each stride, in pixels of the input. `min_score` is the score from which a box is shown,
    `max_iou` the overlap up to which two boxes of one class are two objects; None for the head's
    own. `order` says where a head of several outputs finds its parts (see the head).
    Raises InputError for values that no head can have.
    """

    head: str
    class_names: tuple[str, ...] = ()
    strides: tuple[int, ...] = ()
    anchors: tuple[tuple[float, ...], ...] = ()
    min_score: float | None = None
    max_iou: float | None = None
    order: tuple[int, ...] = ()
    logits: bool = False
    """The scores have not passed a sigmoid; heads also see it by their values."""
    unturned: bool = False
    """A row is a piece of a map (columns, cells), for the exporter forgot to transpose."""

    def __post_init__(self) -> None:
        for name in ("min_score", "max_iou"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"postprocessing.{name} is between 0 and 1, received: {value}")
        if any(stride < 1 for stride in self.strides) or len(self.strides) > MOST_LEVELS:
            raise InputError(
                f"postprocessing.strides are up to {MOST_LEVELS} numbers from 1, "
                f"received: {self.strides[:MOST_LEVELS]}"
            )
        for row in self.anchors:
            if not row or len(row) % 2 or not all(isfinite(side) and side > 0 for side in row):
                raise InputError(
                    "postprocessing.anchors are widths and heights in turn, in pixels, "
                    f"received: {row[:8]}"
                )
        if self.anchors and len(self.anchors) != len(self.strides):
            raise InputError(
                f"postprocessing has {len(self.anchors)} rows of anchors for "
                f"{len(self.strides)} strides"
            )
        if len(self.class_names) > MOST_CLASSES:
            raise InputError(f"postprocessing names {len(self.class_names):,} classes")

    def named(self, names: Sequence[str]) -> Postprocessing:
        """A copy whose classes have these names."""
        return replace(self, class_names=tuple(names))
