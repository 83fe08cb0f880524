"""Section: stability of the answer under shifts of the image."""

from __future__ import annotations

import numpy as np

from edgecnn import numbers
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.layout_blocks import NumberTable, Section
from edgecnn.text import clean


def shift(explanation: Explanation) -> Section | None:
    """Feature-location invariance."""
    if not explanation.curves:
        return None
    shifts = [point.pixels for point in explanation.curves[0].points]
    lines = []
    for curve in explanation.curves:
        cells = [
            f"{100 * point.accuracy:.1f} {numbers.percent_interval(*point.accuracy_ci95)}"
            for point in (curve.points[place] for place in _places(len(curve.points)))
        ]
        lines.append((clean(curve.name), *cells))
    n = explanation.curves[0].points[0].n
    first, last = explanation.curves[0].points[0], explanation.curves[0].points[-1]
    return Section(
        "shift",
        "Does it still see it elsewhere?",
        f"Accuracy against how far the image is moved. {clean(explanation.curves[0].name)} goes "
        f"from {numbers.percent(first.accuracy)} unmoved to {numbers.percent(last.accuracy)} at "
        f"{last.pixels} pixels. Convolutions follow a shift; dense layers and strides do not."
        f"{_difference(explanation)}",
        f"{n} test images of {clean(explanation.data_name)}, each moved right, down, left or up in "
        "turn by whole pixels of the network's input; what moves in is the image's own edge, "
        "repeated. Bands and brackets are Wilson 95% intervals. Right: the share that gets the "
        "same answer as unmoved.",
        table=NumberTable(
            f"Accuracy in % at a shift of … pixels (n = {n})",
            ("file", *(str(shifts[place]) for place in _places(len(shifts)))),
            tuple(lines),
        ),
        chart=True,
        notes=tuple(f"INVALID: {reason}" for reason in explanation.invalid),
    )


def _difference(explanation: Explanation) -> str:
    """How far the other files lie from the first."""
    first, *others = explanation.curves
    gaps = [
        (abs(theirs.accuracy - ours.accuracy), curve.name, ours.pixels)
        for curve in others
        for theirs, ours in zip(curve.points, first.points, strict=True)
    ]
    if not gaps:
        return ""
    gap, name, pixels = max(gaps)
    if gap == 0:
        return " The other files have the same accuracy at every shift."
    return (
        f" Of the other files, {clean(name)} differs most: {100 * gap:.1f} points, at "
        f"{numbers.plural(pixels, 'pixel')}."
    )


def _places(count: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, 5))})
