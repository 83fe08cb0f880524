"""Section: contribution of each color channel."""

from __future__ import annotations

from edgecnn import numbers
from edgecnn.explanation import images
from edgecnn.explanation.color import NAMES
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.layout_blocks import MEDIUM, Section, Tile, TileRow, label


def colors(explanation: Explanation) -> Section:
    """What each color channel adds."""
    best = label(explanation, explanation.classes[0])
    if len(explanation.colors) == 1:
        return Section(
            "colors",
            "Color channels",
            "This network reads one channel: it sees the image in gray, and colors can "
            "neither help nor mislead it.",
            f"Replacing the channel by its mean takes {_drop(explanation.colors[0].drop)} off the "
            f"probability of {best}: that much hangs on the pattern.",
        )
    base = images.enlarged(explanation.subject.pixels(explanation.tensor), MEDIUM)
    tiles = []
    for one in explanation.colors:
        note = f"without it: {numbers.points(-100 * one.drop)} points"
        if one.share is not None:
            note += f"; {numbers.percent(one.share)} of gradient × input"
        lit = images.one_channel(base, NAMES[3].index(one.channel))
        tiles.append(Tile(lit, one.channel, note, one.share))
    gradients = (
        " The bar is the channel's part of Σ |gradient × (input − channel mean)| of the class "
        "score before the softmax."
        if explanation.colors[0].share is not None
        else " The share of gradient × input needs the .keras file."
    )
    strongest = max(explanation.colors, key=lambda one: one.drop)
    said = (
        f"Most hangs on {strongest.channel}."
        if strongest.drop > 0.01
        else "No single channel is needed: the other two carry the answer."
    )
    return Section(
        "colors",
        "Color channels",
        f"What each color adds to the answer {best}. {said}",
        "Points are percentage points of the class's probability when the channel is replaced by "
        f"its own mean over the image.{gradients}",
        (TileRow(tuple(tiles), "medium"),),
    )


def _drop(share: float) -> str:
    return f"{100 * share:.1f} points"
