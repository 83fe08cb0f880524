"""An explanation as one PNG: the page's sections drawn under each other, for a slide or a print."""

from __future__ import annotations

import base64
import textwrap
from xml.sax.saxutils import escape

from edgecnn.explanation import chart, images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.page import subtitle, title
from edgecnn.explanation.sections import sections
from edgecnn.explanation.sections.layout_blocks import NumberTable, Section, Tile, TileRow

WIDTH = 1240
MARGIN = 40
INSIDE = WIDTH - 2 * MARGIN
TILE = {"large": 240, "medium": 200, "small": 128, "filter": 88, "tiny": 48}
"""Width of a tile in pixels of the drawing."""
GAP = 16
SCALE = 1.5
INK, MUTED, LINE, ACCENT = "#1c2127", "#59636e", "#dde1e6", "#0b5fa8"
FONT = "Liberation Sans, Roboto, sans-serif"


def render(explanation: Explanation) -> bytes:
    """A PNG of 1860 pixels width, as high as it needs to be."""
    import vl_convert

    sheet = _Sheet()
    sheet.text(title(explanation), 30, bold=True)
    sheet.text(subtitle(explanation), 15, color=MUTED)
    for section in sections(explanation):
        if section.name != "layers":  # a list of hundreds is for the page
            _draw(sheet, section, explanation)
    return bytes(vl_convert.svg_to_png(sheet.svg(), scale=SCALE))


class _Sheet:
    """SVG that grows downward; `y` is where the next thing goes."""

    def __init__(self) -> None:
        self.y = 30.0
        self._parts: list[str] = []

    def text(self, words: str, size: float, *, bold: bool = False, color: str = INK) -> None:
        """Words over the whole width, broken where they have to be."""
        for line in textwrap.wrap(words, int(INSIDE / (size * 0.5))):
            self.y += size * 1.35
            self.place(line, MARGIN, self.y, size, bold=bold, color=color)

    def place(
        self, words: str, x: float, y: float, size: float, *, bold: bool = False, color: str = INK
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}"{weight}>'
            f"{escape(words)}</text>"
        )

    def image(self, uri: str, x: float, y: float, width: float, height: float) -> None:
        self._parts.append(
            f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'href="{uri}" image-rendering="optimizeSpeed"/>'
        )

    def line(
        self, x: float, y: float, width: float, *, color: str = LINE, thick: float = 1
    ) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{thick}" fill="{color}"/>'
        )

    def svg(self) -> str:
        height = self.y + 40
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}">'
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
            + "".join(self._parts)
            + "</svg>"
        )


def _draw(sheet: _Sheet, section: Section, explanation: Explanation) -> None:
    sheet.y += 26
    sheet.line(MARGIN, sheet.y, INSIDE)
    sheet.y += 8
    sheet.text(section.title, 21, bold=True)
    sheet.text(section.caption, 15)
    for note in section.notes:
        sheet.text(f"Note: {note}", 13, color=MUTED)
    for row in section.rows:
        _strip(sheet, row)
    if section.chart:
        drawn = chart.png(explanation.curves, width=INSIDE - 40, scale=2)
        uri = "data:image/png;base64," + base64.b64encode(drawn).decode()
        width, height = (int.from_bytes(drawn[at : at + 4], "big") / 2 for at in (16, 20))
        sheet.image(uri, MARGIN, sheet.y + 14, width, height)
        sheet.y += height + 20
    if section.table is not None:
        _table(sheet, section.table)
    sheet.y += 4
    sheet.text(section.how, 12.5, color=MUTED)


def _strip(sheet: _Sheet, row: TileRow) -> None:
    sheet.y += 12
    if row.title:
        sheet.text(f"{row.title}  ·  {row.note}", 14, bold=True)
        sheet.y += 8
    side = TILE[row.size]
    across = max(1, int((INSIDE + GAP) // (side + GAP)))
    for start in range(0, len(row.tiles), across):
        lowest = 0.0
        for place, tile in enumerate(row.tiles[start : start + across]):
            lowest = max(lowest, _tile(sheet, tile, MARGIN + place * (side + GAP), side))
        sheet.y += lowest + 12


def _tile(sheet: _Sheet, tile: Tile, x: float, side: float) -> float:
    """Draw a tile with its words; returns how high it is."""
    height = float(side * tile.image.shape[0] / tile.image.shape[1])
    sheet.image(images.data_uri(tile.image), x, sheet.y, side, height)
    if tile.title:
        height += 17
        sheet.place(_cut(tile.title, side, 13), x, sheet.y + height, 13, bold=side > 150)
    if tile.bar is not None:
        height += 8
        sheet.line(x, sheet.y + height, side, thick=5)
        sheet.line(x, sheet.y + height, side * min(1.0, tile.bar), color=ACCENT, thick=5)
        height += 4
    for line in textwrap.wrap(tile.note, max(8, int(side / 6))):
        height += 15
        sheet.place(line, x, sheet.y + height, 12, color=MUTED)
    return height


def _cut(words: str, width: float, size: float) -> str:
    most = max(4, int(width / (size * 0.52)))
    return words if len(words) <= most else words[: most - 1] + "…"


def _table(sheet: _Sheet, table: NumberTable) -> None:
    sheet.y += 8
    sheet.text(table.title, 13, color=MUTED)
    first = 300
    step = min(220, (INSIDE - first) / max(1, len(table.heads) - 1))
    for place, cells in enumerate((table.heads, *table.rows)):
        sheet.y += 20
        for column, cell in enumerate(cells):
            x = MARGIN + (first + (column - 1) * step if column else 0)
            width = step if column else first
            sheet.place(_cut(cell, width, 13), x, sheet.y, 13, color=INK if place else MUTED)
    sheet.y += 6
