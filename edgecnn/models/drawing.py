"""A network drawn: boxes in the order of the data, branches side by side, shortcuts around them.

What belongs to a convolution (normalization, activation, dropout) shares its box. The bar in a
box is its share of the network's work. SVG is made here; PNG and HTML hold the same drawing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import log10
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import atomic_path, write_text_atomically
from edgecnn.models.drawing_layout import BOX_HEIGHT, BOX_WIDTH, Placed, Point, arrange
from edgecnn.models.summary import LayerSummary, ModelSummary

ENDINGS = (".svg", ".png", ".html")
MARGIN = 32
HEAD = 104
INK, MUTED, LINE, PAPER = "#1c2127", "#59636e", "#8a949e", "#ffffff"
FONT = "Liberation Sans, Arial, Roboto, sans-serif"
_COLORS = {
    "convolution": ("#dcebf8", "#0b5fa8"),
    "pooling": ("#def1e2", "#23793a"),
    "dense": ("#fdebd3", "#a85a00"),
    "join": ("#ece3f7", "#6a3fa0"),
    "other": ("#eef0f2", "#59636e"),
}
_JOINS = ("Add", "Concatenate", "Multiply", "Average", "Maximum", "Subtract")
_GUESTS = {"BatchNormalization": "norm", "ReLU": "ReLU", "LeakyReLU": "leaky ReLU",
           "Activation": "activation", "Dropout": "dropout", "SpatialDropout1D": "dropout",
           "SpatialDropout2D": "dropout", "SpatialDropout3D": "dropout"}  # fmt: skip
_PNG_SCALE = 1.5


@dataclass
class Box:
    """A layer and what shares its box."""

    layer: LayerSummary
    guests: list[LayerSummary] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in (self.layer, *self.guests))

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.guests[-1] if self.guests else self.layer).output_shape

    @property
    def group(self) -> str:
        kind = self.layer.kind
        if kind in _JOINS:
            return "join"
        if "Conv" in kind:
            return "convolution"
        if "Pooling" in kind:
            return "pooling"
        return "dense" if kind in ("Dense", "Embedding") else "other"


def check_ending(path: Path) -> None:
    """Raise InputError for a file that no drawing can be."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(
            f"a network is drawn as {', '.join(ENDINGS)}, received: {path.name!r}",
            hint="as in --out net.svg",
        )


def write(summary: ModelSummary, path: Path) -> None:
    """Draw into `path`, whose ending says how. Raises InputError for another ending, or
    a place that cannot be written.
    """
    check_ending(path)
    drawn = svg(summary)
    if path.suffix.lower() == ".png":
        import vl_convert

        image = vl_convert.svg_to_png(drawn, scale=_PNG_SCALE)
        with atomic_path(path) as temporary:
            temporary.write_bytes(image)
    elif path.suffix.lower() == ".html":
        write_text_atomically(path, _page(summary, drawn))
    else:
        write_text_atomically(path, drawn)


def svg(summary: ModelSummary) -> str:
    """The drawing as one SVG document."""
    boxes, reads = grouped(summary.layers)
    plan = arrange(list(boxes), reads)
    most = max((box.layer.macs or 0 for box in boxes.values()), default=0)
    width = max(plan.width + 2 * MARGIN, 760)
    height = plan.height + HEAD + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}">',
        f"<title>{escape(summary.name)}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        _text(MARGIN, MARGIN + 18, summary.name, 24, bold=True),
        _text(MARGIN, MARGIN + 42, _subtitle(summary), 13, color=MUTED),
        _legend(MARGIN, MARGIN + 62),
        f'<g transform="translate({(width - plan.width) / 2:.1f} {MARGIN + HEAD})">',
        *(_edge(points) for points in plan.edges),
        *(_box(boxes[placed.name], placed, most) for placed in plan.boxes),
        "</g></svg>",
    ]
    return "\n".join(parts)


def grouped(layers: tuple[LayerSummary, ...]) -> tuple[dict[str, Box], dict[str, list[str]]]:
    """Boxes by the name of their first layer, and for each the boxes it reads.

    A layer moves in with the one it reads when nobody else reads that one.
    """
    readers: dict[str, int] = {}
    for layer in layers:
        for name in layer.reads:
            readers[name] = readers.get(name, 0) + 1
    host: dict[str, str] = {}
    boxes: dict[str, Box] = {}
    reads: dict[str, list[str]] = {}
    for layer in layers:
        before = layer.reads[0] if len(layer.reads) == 1 else None
        if layer.kind in _GUESTS and before is not None and readers[before] == 1:
            host[layer.name] = host[before]
            boxes[host[before]].guests.append(layer)
        else:
            host[layer.name] = layer.name
            boxes[layer.name] = Box(layer)
            reads[layer.name] = [host[name] for name in layer.reads]
    return boxes, reads


def short(count: float) -> str:
    """A count in thousands, millions or billions: 416 k, 1.81 G."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= size:
            return f"{count / size:.{max(0, 2 - int(log10(count / size)))}f}{unit}"
    return f"{count:.0f}"


def _subtitle(summary: ModelSummary) -> str:
    work = "" if summary.macs is None else f" · {short(summary.macs)} MACs"
    outputs = " and ".join(_times(shape) for shape in summary.outputs)
    return (
        f"{_times(summary.input_shape)} → {outputs} · {summary.parameters:,} parameters{work} · "
        f"{summary.memory_bytes / 1e6:,.1f} MB in float32 · "
        f"receptive field {summary.receptive_field:,}"
    )


def _legend(x: float, y: float) -> str:
    parts = []
    for group, (fill, stroke) in _COLORS.items():
        parts.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" rx="3" fill="{fill}" stroke="{stroke}"/>'
            + _text(x + 18, y + 10.5, group, 11.5, color=MUTED)
        )
        x += 38 + 6.4 * len(group)
    parts.append(
        f'<rect x="{x}" y="{y + 4}" width="26" height="4" rx="2" fill="{INK}"/>'
        + _text(x + 32, y + 10.5, "work, against the layer that does most", 11.5, color=MUTED)
    )
    return "".join(parts)


def _box(box: Box, placed: Placed, most: int) -> str:
    fill, stroke = _COLORS[box.group]
    x, y = placed.x - BOX_WIDTH / 2, placed.y
    title = f"{box.layer.kind} {box.layer.details}".strip()
    guests = " · ".join(dict.fromkeys(_GUESTS[guest.kind] for guest in box.guests))
    parameters = f"{short(box.parameters)} params" if box.parameters else ""
    work = (box.layer.macs or 0) / most if most else 0
    names = "\n".join(layer.name for layer in (box.layer, *box.guests))
    parts = [
        f"<g><title>{escape(names)}\nreceptive field {box.layer.receptive_field.size:,}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" '
        f'fill="{fill}" stroke="{stroke}"/>',
        _text(x + 10, y + 17, title, 12.5, bold=True),
        _text(x + 10, y + 33, guests or box.layer.name, 11, color=MUTED),
        _text(x + BOX_WIDTH - 10, y + 17, _times(box.output_shape), 12, anchor="end"),
        _text(x + BOX_WIDTH - 10, y + 33, parameters, 11, color=MUTED, anchor="end"),
    ]
    if work > 0:
        parts.append(
            f'<rect x="{x + 10:.1f}" y="{y + BOX_HEIGHT - 6:.1f}" '
            f'width="{max(2.0, work * (BOX_WIDTH - 20)):.1f}" height="3" rx="1.5" fill="{stroke}"/>'
        )
    return "".join([*parts, "</g>"])


def _edge(points: tuple[Point, ...]) -> str:
    """A line through `points`, bent smoothly from one height to the next."""
    (x, y), *others = points
    path = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in others:
        if to_x == x or to_y == y:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (y + to_y) / 2
            path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    tip = f"M{x - 4:.1f} {y - 6:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - 6:.1f}"
    return (
        f'<path d="{"".join(path)}{tip}" fill="none" stroke="{LINE}" stroke-width="1.5" '
        'stroke-linejoin="round"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    *,
    bold: bool = False,
    color: str = INK,
    anchor: str = "start",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
        f'text-anchor="{anchor}"{weight}>{escape(words)}</text>'
    )


def _times(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))


def _page(summary: ModelSummary, drawn: str) -> str:
    """One HTML file: the drawing, and the table of layers under it."""
    rows = "".join(
        f"<tr><td>{escape(layer.name)}<td>{escape(layer.kind)}<td>{escape(layer.details)}"
        f"<td>{_times(layer.output_shape)}<td>{layer.parameters:,}"
        f"<td>{'–' if layer.macs is None else f'{layer.macs:,}'}"
        f"<td>{layer.receptive_field.size:,}"
        for layer in summary.layers
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{escape(summary.name)}</title><style>{_CSS}</style>"
        f"<main><div class=drawing>{drawn}</div><table><thead><tr><th>layer<th>type<th>"
        f"<th>output<th>parameters<th>MACs<th>receptive field<tbody>{rows}</table></main></html>\n"
    )


_CSS = (
    f"body{{margin:0;font:14px {FONT};color:{INK};background:{PAPER}}}"
    ".drawing{overflow-x:auto}table{border-collapse:collapse;margin:16px 32px}"
    "th,td{padding:4px 12px;text-align:left;border-bottom:1px solid #dde1e6}"
    "th:nth-child(n+4),td:nth-child(n+4){text-align:right;font-variant-numeric:tabular-nums}"
)
