"""The image, what became of it on its way in, and the answer."""

from __future__ import annotations

import numpy as np

from edgecnn import numbers
from edgecnn.explanation import images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.layout_blocks import NumberTable, Section, Tile, TileRow, label
from edgecnn.text import clean

LARGE = 320


def answer(explanation: Explanation) -> Section:
    """The image, what became of it on its way in, and the best classes."""
    subject = explanation.subject
    height, width, channels = explanation.tensor.shape
    own = explanation.image if explanation.image.ndim == 3 else explanation.image[:, :, None]
    own = np.repeat(own, 3, axis=2) if own.shape[2] == 1 else own[:, :, :3]
    order = np.argsort(-explanation.scores, kind="stable")[:5]
    colors = "gray" if channels == 1 else "color"
    tiles = (
        Tile(images.enlarged(own, LARGE), "the image", f"{own.shape[0]}×{own.shape[1]}"),
        Tile(
            images.enlarged(subject.pixels(explanation.tensor), LARGE),
            "what the network gets",
            f"{height}×{width}, {colors}",
        ),
    )
    sure = numbers.percent(float(explanation.scores[order[0]]))
    best = label(explanation, order[0])
    if subject.detects:
        said = f"The detector's surest place for {best} has a score of {sure}."
    else:
        said = f"The network answers {best}, with {sure}.{_verdict(explanation)}"
    table = NumberTable(
        "Best classes",
        ("class", "score"),
        tuple((label(explanation, index), numbers.percent(float(explanation.scores[index]), 2))
              for index in order),
    )  # fmt: skip
    known = clean(subject.fed.sentence) if subject.fed.known else "preprocessing as assumed above"
    how = (
        f"{known[0].upper()}{known[1:]}. Scores are what the last layer says, not how often it is "
        "right."
    )
    return Section(
        "answer", "The answer", said, how, (TileRow(tiles, "large"),), table, notes=subject.notes
    )


def _verdict(explanation: Explanation) -> str:
    """Whether the answer is right, where the data say so."""
    if explanation.ground_truth is None:
        return ""
    if explanation.ground_truth == int(explanation.scores.argmax()):
        return " That is right."
    return f" That is wrong: it is {label(explanation, explanation.ground_truth)}."
