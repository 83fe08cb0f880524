"""An explanation in words and pictures, before any layout: page and poster draw the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgecnn.explanation import images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.receptive_field import EffectiveField
from edgecnn.reporting import formats
from edgecnn.reporting.text import clean

Picture = npt.NDArray[np.uint8]

LARGE = 320
MEDIUM = 256
SMALL = 112
MOST_FILTERS = 64
MOST_LAYERS = 200
MOST_KINDS = 6
FIELD_CELLS = 64
"""Effective fields of large inputs are speckled: they are averaged to so many cells a side."""


@dataclass(frozen=True)
class Tile:
    """A picture with its words; `bar` (0…1) draws a share below it."""

    picture: Picture
    title: str
    note: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class Row:
    """Tiles of one size side by side, under a heading of their own where there are several."""

    tiles: tuple[Tile, ...]
    size: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
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
    rows: tuple[Row, ...] = ()
    table: Table | None = None
    chart: bool = False
    notes: tuple[str, ...] = field(default=())


def sections(found: Explanation) -> list[Section]:
    """What there is to show, in the order in which a picture goes through the network."""
    wanted = (answer, evidence, first_layer, depth, fields, colours, shift, layer_list)
    made = [section for build in wanted if (section := build(found)) is not None]
    if found.subject.model is None:
        made.append(missing(found))
    return made


def answer(found: Explanation) -> Section:
    """The picture, what became of it on its way in, and the best classes."""
    subject = found.subject
    height, width, channels = found.tensor.shape
    own = found.picture if found.picture.ndim == 3 else found.picture[:, :, None]
    own = np.repeat(own, 3, axis=2) if own.shape[2] == 1 else own[:, :, :3]
    order = np.argsort(-found.scores, kind="stable")[:5]
    colours = "grey" if channels == 1 else "colour"
    tiles = (
        Tile(images.enlarged(own, LARGE), "the picture", f"{own.shape[0]}×{own.shape[1]}"),
        Tile(
            images.enlarged(subject.pixels(found.tensor), LARGE),
            "what the network gets",
            f"{height}×{width}, {colours}",
        ),
    )
    sure = formats.percent(float(found.scores[order[0]]))
    if subject.detects:
        said = f"The detector's surest place for {_label(found, 0)} has a score of {sure}."
    else:
        said = f"The network answers {_label(found, order[0])}, with {sure}.{_verdict(found)}"
    table = Table(
        "Best classes",
        ("class", "score"),
        tuple((_label(found, index), formats.percent(float(found.scores[index]), 2))
              for index in order),
    )  # fmt: skip
    known = clean(subject.fed.sentence) if subject.fed.known else "preprocessing as assumed above"
    how = (
        f"{known[0].upper()}{known[1:]}. Scores are what the last layer says, not how often it is "
        "right."
    )
    return Section(
        "answer", "The answer", said, how, (Row(tiles, "large"),), table, notes=subject.notes
    )


def evidence(found: Explanation) -> Section | None:
    """Where it looks: Grad-CAM, or occlusion where there are no gradients."""
    base = images.enlarged(found.subject.pixels(found.tensor), MEDIUM)
    if found.class_maps:
        layer = found.class_maps[0].layer
        tiles = []
        for one in found.class_maps:
            empty = "" if one.heat.any() else "no place speaks for it"
            score = formats.percent(float(found.scores[one.index]))
            tiles.append(
                Tile(images.glowing(base, one.heat), _label(found, one.index), empty or score)
            )
        return Section(
            "grad-cam",
            "Where it looks (Grad-CAM)",
            "The bright places speak for the class: without them its score would be lower. Each "
            "picture has a scale of its own, so compare places, not brightness.",
            f"Grad-CAM (Selvaraju 2017) at the layer {layer.name} ({layer.rows}×{layer.columns} "
            f"cells, {layer.channels} maps): each map weighted by the mean gradient of the class "
            "score before the softmax, summed, negative parts cut off, enlarged.",
            (Row(tuple(tiles), "medium"),),
        )
    if found.occlusion is None:
        return None
    drop, patch = found.occlusion.drop, found.occlusion.patch
    most = float(drop.max())
    heat = np.asarray(np.maximum(drop, 0) / (most if most > 0 else 1), np.float32)
    note = f"{formats.points(-100 * most)} points at most" if most > 0 else "no place matters"
    return Section(
        "occlusion",
        "Where it looks (occlusion)",
        "The bright places are those that the answer cannot do without: covering them costs most.",
        f"Occlusion (Zeiler and Fergus 2014): a patch of {patch[0]}×{patch[1]} pixels in the "
        f"picture's mean colour at {drop.shape[0]}×{drop.shape[1]} places; brightness is the "
        "fall of the class's probability.",
        (Row((Tile(images.glowing(base, heat), _label(found, found.occlusion.index), note),),
             "medium"),),
    )  # fmt: skip


def first_layer(found: Explanation) -> Section | None:
    """The first convolution's filters."""
    if found.filters is None:
        return None
    rows, columns, channels, count = found.filters.shape
    pictures = images.filter_tiles(found.filters)[:MOST_FILTERS]
    side = 96 if count <= 16 else 56
    tiles = tuple(Tile(images.enlarged(one, side), "") for one in pictures)
    kept = "" if count <= MOST_FILTERS else f" The {MOST_FILTERS} strongest of {count} are shown."
    coloured = (
        "A filter with colours answers to those colours; stripes and steps answer to edges of "
        "that direction."
        if channels == 3
        else "Stripes and steps answer to edges of that direction, spots to dots."
    )
    return Section(
        "first-layer",
        "First-layer filters",
        f"The {count} small patterns of {rows}×{columns} pixels that the network looks for "
        f"everywhere in the picture before anything else. {coloured}",
        "The weights of the first convolution themselves: mid grey is zero, all share one scale, "
        f"strongest first.{kept}",
        (Row(tiles, "filter" if count <= 16 else "tiny"),),
    )


def depth(found: Explanation) -> Section | None:
    """Feature maps by depth."""
    if not found.features:
        return None
    rows = []
    for place, one in enumerate(found.features):
        layer = one.layer
        tiles = tuple(
            Tile(images.enlarged(images.heat_colours(values), SMALL), f"map {channel}")
            for channel, values in zip(one.channels, one.maps, strict=True)
        )
        silent = f", {one.silent} without any pattern here" if one.silent else ""
        note = f"{formats.plural(layer.channels, 'map')} of {layer.rows}×{layer.columns}{silent}"
        rows.append(Row(tiles, "small", f"{place + 1}. {layer.name}", note))
    return Section(
        "features",
        "Feature maps by depth",
        "What single channels answer to, from the first layers to the last. Early maps follow "
        "edges and colours at every pixel; deeper ones are coarser and answer to shapes and, "
        f"where their field is wide enough, to parts of the object.{_reach(found)}",
        "The layer's output for this picture at the last layer of each map size: the maps that "
        "vary most, each from its lowest value (black) to its highest (yellow).",
        tuple(rows),
    )


def fields(found: Explanation) -> Section | None:
    """Receptive fields: what could move a unit, and what does."""
    if not found.fields:
        return None
    base = images.enlarged(found.subject.pixels(found.tensor), MEDIUM)
    tiles, lines = [], []
    for one in found.fields:
        theory = found.theory.get(one.layer.name)
        size = "–" if theory is None else f"{theory.size}"
        rows, columns = (min(side, FIELD_CELLS) for side in one.weight.shape)
        weight = images.stretched(one.weight, rows, columns)
        picture = images.glowing(base, np.asarray(weight / weight.max(), np.float32))
        box = theoretical_box(found, one)
        if box is not None:
            scale = base.shape[0] / found.tensor.shape[0]
            left, top, right, bottom = (value * scale for value in box)
            picture = images.framed(picture, (left, top, right, bottom))
        share = one.area / one.weight.size
        tiles.append(Tile(picture, one.layer.name, f"effective {one.side:.1f}, theory {size}"))
        lines.append(
            (one.layer.name, f"{one.layer.rows}×{one.layer.columns}", size, f"{one.side:.1f}",
             f"{one.area:,}", formats.percent(share))
        )  # fmt: skip
    frame = " The frame is the theoretical field." if found.theory else ""
    samples = found.fields[0].samples
    source = (
        f"{samples} pictures of {found.data_name}"
        if found.data_name
        else f"{samples} copies of the picture with noise of its own spread"
    )
    return Section(
        "fields",
        "Receptive fields",
        "How much of the picture one unit in the middle of a layer sees. What really moves it "
        f"(bright) is mostly smaller than what could, and fades towards its rim.{frame}",
        "Effective field (Luo 2016): the absolute gradient of the centre unit by the input, "
        f"averaged over {source}. Its size is the side of a square as large as the fewest pixels "
        "that hold 95% of it; padding and picture edges cut both fields.",
        (Row(tuple(tiles), "medium"),),
        Table(
            "Receptive fields in pixels of the network's input",
            ("layer", "maps", "theory", "effective side", "pixels with 95%", "of the picture"),
            tuple(lines),
        ),
    )


def theoretical_box(
    found: Explanation, one: EffectiveField
) -> tuple[float, float, float, float] | None:
    """(left, top, right, bottom) of the centre unit's theoretical field in input pixels."""
    theory = found.theory.get(one.layer.name)
    if theory is None:
        return None
    left, top = (theory.offset + place * theory.stride - theory.size / 2
                 for place in one.centre[::-1])  # fmt: skip
    return left, top, left + theory.size, top + theory.size


def colours(found: Explanation) -> Section:
    """What each colour channel adds."""
    best = _label(found, found.classes[0])
    if len(found.colours) == 1:
        return Section(
            "colours",
            "Colour channels",
            "This network reads one channel: it sees the picture in grey, and colours can "
            "neither help nor mislead it.",
            f"Replacing the channel by its mean takes {_drop(found.colours[0].drop)} off the "
            f"probability of {best}: that much hangs on the pattern.",
        )
    base = images.enlarged(found.subject.pixels(found.tensor), MEDIUM)
    tiles = []
    for place, one in enumerate(found.colours):
        note = f"without it: {formats.points(-100 * one.drop)} points"
        if one.share is not None:
            note += f"; {formats.percent(one.share)} of gradient × input"
        tiles.append(Tile(images.one_channel(base, place), one.channel, note, one.share))
    gradients = (
        " The bar is the channel's part of Σ |gradient × (input − channel mean)| of the class "
        "score before the softmax."
        if found.colours[0].share is not None
        else " The share of gradient × input needs the .keras file."
    )
    strongest = max(found.colours, key=lambda one: one.drop)
    said = (
        f"Most hangs on {strongest.channel}."
        if strongest.drop > 0.01
        else "No single channel is needed: the other two carry the answer."
    )
    return Section(
        "colours",
        "Colour channels",
        f"What each colour adds to the answer {best}. {said}",
        "Points are percentage points of the class's probability when the channel is replaced by "
        f"its own mean over the picture.{gradients}",
        (Row(tuple(tiles), "medium"),),
    )


def shift(found: Explanation) -> Section | None:
    """Feature-location invariance."""
    if not found.curves:
        return None
    shifts = [point.pixels for point in found.curves[0].points]
    lines = []
    for curve in found.curves:
        cells = [
            f"{100 * point.accuracy:.1f} {formats.percent_interval(*point.accuracy_ci95)}"
            for point in (curve.points[place] for place in _places(len(curve.points)))
        ]
        lines.append((clean(curve.name), *cells))
    n = found.curves[0].points[0].n
    first, last = found.curves[0].points[0], found.curves[0].points[-1]
    return Section(
        "shift",
        "Does it still see it elsewhere?",
        f"Accuracy against how far the picture is moved. {clean(found.curves[0].name)} goes from "
        f"{formats.percent(first.accuracy)} unmoved to {formats.percent(last.accuracy)} at "
        f"{last.pixels} pixels. Convolutions follow a shift; dense layers and strides do not."
        f"{_beside(found)}",
        f"{n} test pictures of {clean(found.data_name)}, each moved right, down, left or up in "
        "turn by whole pixels of the network's input; what moves in is the picture's own edge, "
        "repeated. Bands and brackets are Wilson 95% intervals. Right: the share that gets the "
        "same answer as unmoved.",
        table=Table(
            f"Accuracy in % at a shift of … pixels (n = {n})",
            ("file", *(str(shifts[place]) for place in _places(len(shifts)))),
            tuple(lines),
        ),
        chart=True,
        notes=tuple(f"INVALID: {reason}" for reason in found.invalid),
    )


def layer_list(found: Explanation) -> Section | None:
    """The operators of a file without gradients."""
    layers = found.subject.layers
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
        f"The file's {formats.plural(len(layers), 'operator')}, in the order in which they run: "
        f"{most}{more}.",
        "Read from the file itself; sizes are those that it declares, and weights the numbers "
        "that an operator reads from it.",
        table=Table(
            f"The first {MOST_LAYERS} of {len(layers)} operators" if left > 0 else "Operators",
            ("layer", "operator", "output", "type", "weights"),
            tuple(
                (clean(layer.name, 60), clean(layer.operator, 40), _sizes(layer.shape),
                 layer.dtype, f"{layer.weights:,}" if layer.weights else "")
                for layer in layers[:MOST_LAYERS]
            ),
        ),
    )  # fmt: skip


def missing(found: Explanation) -> Section:
    """What this file cannot tell, and which could."""
    name = clean(found.subject.artifact.name)
    made = found.subject.artifact.manifest.parent_sha256 is not None
    return Section(
        "missing",
        "What this file does not tell",
        "Grad-CAM, feature maps by depth, effective receptive fields and gradient × input need "
        f"gradients and the layers' own outputs, which a {found.subject.artifact.format} file "
        "does not give. Only Keras models have them here.",
        f"Give the .keras file that {name} was made from, and this file beside it."
        if made
        else f"If {name} was made from a Keras model, give its .keras file.",
    )


def _reach(found: Explanation) -> str:
    last = found.theory.get(found.features[-1].layer.name)
    if last is None:
        return ""
    side = max(found.tensor.shape[:2])
    return f" Here a unit of the last row can see {min(last.size, side)} of {side} pixels across."


def _verdict(found: Explanation) -> str:
    """Whether the answer is right, where the data say so."""
    if found.truth is None:
        return ""
    if found.truth == int(found.scores.argmax()):
        return " That is right."
    return f" That is wrong: it is {_label(found, found.truth)}."


def _beside(found: Explanation) -> str:
    """How far the other files lie from the first."""
    first, *others = found.curves
    gaps = [
        (abs(theirs.accuracy - ours.accuracy), curve.name, ours.pixels)
        for curve in others
        for theirs, ours in zip(curve.points, first.points, strict=True)
    ]
    if not gaps:
        return ""
    gap, name, pixels = max(gaps)
    if gap == 0:
        return " The files beside it answer alike at every shift."
    return (
        f" Of the files beside it, {clean(name)} lies furthest off: {100 * gap:.1f} points, at "
        f"{formats.plural(pixels, 'pixel')}."
    )


def _label(found: Explanation, index: int) -> str:
    return clean(found.subject.label(int(index)), 60)


def _drop(share: float) -> str:
    return f"{100 * share:.1f} points"


def _sizes(shape: tuple[int | None, ...] | None) -> str:
    return "" if shape is None else "×".join("?" if size is None else str(size) for size in shape)


def _places(count: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, 5))})
