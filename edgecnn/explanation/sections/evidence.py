"""Section: evidence maps of the network."""

from __future__ import annotations

import numpy as np

from edgecnn import numbers
from edgecnn.explanation import images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.layout_blocks import MEDIUM, Section, Tile, TileRow, label


def evidence(explanation: Explanation) -> Section | None:
    """Where it looks: Grad-CAM, or occlusion where there are no gradients."""
    base = images.enlarged(explanation.subject.pixels(explanation.tensor), MEDIUM)
    if explanation.class_maps:
        layer = explanation.class_maps[0].layer
        tiles = []
        for one in explanation.class_maps:
            empty = "" if one.heat.any() else "no place speaks for it"
            score = numbers.percent(float(explanation.scores[one.index]))
            tiles.append(
                Tile(images.glowing(base, one.heat), label(explanation, one.index), empty or score)
            )
        return Section(
            "grad-cam",
            "Where it looks (Grad-CAM)",
            "The bright places speak for the class: without them its score would be lower. Each "
            "image has a scale of its own, so compare places, not brightness.",
            f"Grad-CAM (Selvaraju 2017) at the layer {layer.name} ({layer.rows}×{layer.columns} "
            f"cells, {layer.channels} maps): each map weighted by the mean gradient of the class "
            "score before the softmax, summed, negative parts cut off, enlarged.",
            (TileRow(tuple(tiles), "medium"),),
        )
    if explanation.occlusion is None:
        return None
    name = label(explanation, explanation.occlusion.index)
    drop, patch = explanation.occlusion.drop, explanation.occlusion.patch
    most = float(drop.max())
    heat = np.asarray(np.maximum(drop, 0) / (most if most > 0 else 1), np.float32)
    note = f"{numbers.points(-100 * most)} points at most" if most > 0 else "no place matters"
    return Section(
        "occlusion",
        "Where it looks (occlusion)",
        "The bright places are those that the answer cannot do without: covering them costs most.",
        f"Occlusion (Zeiler and Fergus 2014): a patch of {patch[0]}×{patch[1]} pixels in the "
        f"image's mean color at {drop.shape[0]}×{drop.shape[1]} places; brightness is the "
        "fall of the class's probability.",
        (TileRow((Tile(images.glowing(base, heat), name, note),), "medium"),),
    )  # fmt: skip
