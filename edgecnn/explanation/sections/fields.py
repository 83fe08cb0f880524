"""Section: receptive fields."""

from __future__ import annotations

import numpy as np

from edgecnn import numbers
from edgecnn.explanation import images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.receptive_field import EffectiveField
from edgecnn.explanation.sections.layout_blocks import MEDIUM, NumberTable, Section, Tile, TileRow

FIELD_CELLS = 64
"""Effective fields of large inputs are speckled: they are averaged to so many cells a side."""


def fields(explanation: Explanation) -> Section | None:
    """Receptive fields: what could move a unit, and what does."""
    if not explanation.fields:
        return None
    base = images.enlarged(explanation.subject.pixels(explanation.tensor), MEDIUM)
    tiles, lines = [], []
    for one in explanation.fields:
        theory = explanation.theory.get(one.layer.name)
        size = "–" if theory is None else f"{theory.size}"
        rows, columns = (min(side, FIELD_CELLS) for side in one.weight.shape)
        weight = images.stretched(one.weight, rows, columns)
        image = images.glowing(base, np.asarray(weight / weight.max(), np.float32))
        box = theoretical_box(explanation, one)
        if box is not None:
            scale = base.shape[0] / explanation.tensor.shape[0]
            left, top, right, bottom = (value * scale for value in box)
            image = images.framed(image, (left, top, right, bottom))
        share = one.area / one.weight.size
        tiles.append(Tile(image, one.layer.name, f"effective {one.side:.1f}, theory {size}"))
        lines.append(
            (one.layer.name, f"{one.layer.rows}×{one.layer.columns}", size, f"{one.side:.1f}",
             f"{one.area:,}", numbers.percent(share))
        )  # fmt: skip
    frame = " The frame is the theoretical field." if explanation.theory else ""
    samples = explanation.fields[0].samples
    source = (
        f"{samples} images of {explanation.data_name}"
        if explanation.data_name
        else f"{samples} copies of the image with noise of its own spread"
    )
    return Section(
        "fields",
        "Receptive fields",
        "How much of the image one unit in the middle of a layer sees. What really moves it "
        f"(bright) is mostly smaller than what could, and fades towards its rim.{frame}",
        "Effective field (Luo 2016): the absolute gradient of the center unit by the input, "
        f"averaged over {source}. Its size is the side of a square as large as the fewest pixels "
        "that hold 95% of it; padding and image edges cut both fields.",
        (TileRow(tuple(tiles), "medium"),),
        NumberTable(
            "Receptive fields in pixels of the network's input",
            ("layer", "maps", "theory", "effective side", "pixels with 95%", "of the image"),
            tuple(lines),
        ),
    )


def theoretical_box(
    explanation: Explanation, one: EffectiveField
) -> tuple[float, float, float, float] | None:
    """(left, top, right, bottom) of the center unit's theoretical field in input pixels."""
    theory = explanation.theory.get(one.layer.name)
    if theory is None:
        return None
    left, top = (theory.offset + place * theory.stride - theory.size / 2
                 for place in one.center[::-1])  # fmt: skip
    return left, top, left + theory.size, top + theory.size
