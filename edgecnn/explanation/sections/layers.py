"""Section: filters, feature maps and operators of single layers."""

from __future__ import annotations

from collections import Counter

from edgecnn import numbers
from edgecnn.explanation import images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.layout_blocks import NumberTable, Section, Tile, TileRow
from edgecnn.text import clean

SMALL = 112
MOST_FILTERS = 64
MOST_LAYERS = 200
MOST_KINDS = 6


def first_layer(explanation: Explanation) -> Section | None:
    """The first convolution's filters."""
    if explanation.filters is None:
        return None
    rows, columns, channels, count = explanation.filters.shape
    filters = images.filter_tiles(explanation.filters)[:MOST_FILTERS]
    side = 96 if count <= 16 else 56
    tiles = tuple(Tile(images.enlarged(one, side), "") for one in filters)
    kept = "" if count <= MOST_FILTERS else f" The {MOST_FILTERS} strongest of {count} are shown."
    colored = (
        "A filter with colors answers to those colors; stripes and steps answer to edges of "
        "that direction."
        if channels == 3
        else "Stripes and steps answer to edges of that direction, spots to dots."
    )
    return Section(
        "first-layer",
        "First-layer filters",
        f"The {count} small patterns of {rows}×{columns} pixels that the network looks for "
        f"everywhere in the image before anything else. {colored}",
        "The weights of the first convolution themselves: mid gray is zero, all share one scale, "
        f"strongest first.{kept}",
        (TileRow(tiles, "filter" if count <= 16 else "tiny"),),
    )


def depth(explanation: Explanation) -> Section | None:
    """Feature maps by depth."""
    if not explanation.features:
        return None
    rows = []
    for place, one in enumerate(explanation.features):
        layer = one.layer
        tiles = tuple(
            Tile(images.enlarged(images.heat_colors(values), SMALL), f"map {channel}")
            for channel, values in zip(one.channels, one.maps, strict=True)
        )
        silent = f", {one.silent} without any pattern here" if one.silent else ""
        note = f"{numbers.plural(layer.channels, 'map')} of {layer.rows}×{layer.columns}{silent}"
        rows.append(TileRow(tiles, "small", f"{place + 1}. {layer.name}", note))
    return Section(
        "features",
        "Feature maps by depth",
        "What single channels answer to, from the first layers to the last. Early maps follow "
        "edges and colors at every pixel; deeper ones are coarser and answer to shapes and, "
        f"where their field is wide enough, to parts of the object.{_reach(explanation)}",
        "The layer's output for this image at the last layer of each map size: the maps that "
        "vary most, each from its lowest value (black) to its highest (yellow).",
        tuple(rows),
    )


def layer_list(explanation: Explanation) -> Section | None:
    """The operators of a file without gradients."""
    layers = explanation.subject.layers
    if not layers:
        return None
    counted = Counter(layer.operator for layer in layers)
    most = ", ".join(
        f"{count} {clean(name, 40)}" for name, count in counted.most_common(MOST_KINDS)
    )
    more = f" and {len(counted) - MOST_KINDS} other kinds" if len(counted) > MOST_KINDS else ""
    left = len(layers) - MOST_LAYERS
    return Section(
        "layers",
        "Layers",
        f"The file's {numbers.plural(len(layers), 'operator')}, in the order in which they run: "
        f"{most}{more}.",
        "Read from the file itself; sizes are those that it declares, and weights the numbers "
        "that an operator reads from it.",
        table=NumberTable(
            f"The first {MOST_LAYERS} of {len(layers)} operators" if left > 0 else "Operators",
            ("layer", "operator", "output", "type", "weights"),
            tuple(
                (clean(layer.name, 60), clean(layer.operator, 40), _sizes(layer.shape),
                 layer.dtype, f"{layer.weights:,}" if layer.weights else "")
                for layer in layers[:MOST_LAYERS]
            ),
        ),
    )  # fmt: skip


def missing(explanation: Explanation) -> Section:
    """What this file cannot show, and which file could."""
    name = clean(explanation.subject.artifact.name)
    made = explanation.subject.artifact.manifest.parent_sha256 is not None
    return Section(
        "missing",
        "What this file does not show",
        "Grad-CAM, feature maps by depth, effective receptive fields and gradient × input need "
        "gradients and the layers' own outputs, which a "
        f"{explanation.subject.artifact.format} file does not give. Only Keras models have them "
        "here.",
        f"Give the .keras file that {name} was made from, and this file next to it."
        if made
        else f"If {name} was made from a Keras model, give its .keras file.",
    )


def _reach(explanation: Explanation) -> str:
    last = explanation.theory.get(explanation.features[-1].layer.name)
    if last is None:
        return ""
    side = max(explanation.tensor.shape[:2])
    return f" Here a unit of the last row can see {min(last.size, side)} of {side} pixels across."


def _sizes(shape: tuple[int | None, ...] | None) -> str:
    return "" if shape is None else "×".join("?" if size is None else str(size) for size in shape)
