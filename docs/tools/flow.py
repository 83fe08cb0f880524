"""The drawing of the whole way, from a model to a device: wide for a page, narrow for a phone.

python -m docs.tools.flow        writes docs/assets/flow.svg, which README shows
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from html import escape
from pathlib import Path

ASSET = Path(__file__).resolve().parents[1] / "assets" / "flow.svg"
BOX_WIDTH, BOX_HEIGHT, GAP, MARGIN = 214, 92, 46, 12


@dataclass(frozen=True)
class Step:
    """A box: a title, what happens there, whether it is a verb of the command line."""

    title: str
    lines: tuple[str, ...]
    verb: bool = True


STEPS = (
    Step("a model", ("Keras, SavedModel, ONNX,", "TFLite: yours, or train one"), verb=False),
    Step("convert", ("TFLite, ONNX, ncnn, MNN;", "float32, float16, int8")),
    Step("verify", ("outputs against the parent,", "accuracy gate")),
    Step("benchmark", ("every runtime, in fresh", "processes; boards over SSH")),
    Step("report", ("VALID, NOISY or INVALID;", "which file to deploy")),
    Step("bundle, detect", ("runs on the device with", "numpy and one runtime")),
)
ALT = (
    "A model is converted to files, verified against its parent, benchmarked on every runtime, "
    "reported with verdicts, and bundled for the device; optimize searches over convert, verify "
    "and benchmark."
)
STYLE = (
    ".edge-flow{--ink:#1d2733;--mute:#53606e;--line:#0b66b2;--fill:#f3f6f9;font-family:sans-serif}"
    "@media(prefers-color-scheme:dark){.edge-flow{--ink:#e6ebf0;--mute:#a9b5c1;--line:#5aa9f0;"
    "--fill:#1c242c}}"
    ".edge-flow .t{font-size:17px;font-weight:600;fill:var(--edge-ink,var(--ink))}"
    ".edge-flow .l{font-size:13.5px;fill:var(--edge-muted,var(--mute))}"
    ".edge-flow .v{font-family:ui-monospace,monospace}"
    ".edge-flow rect{fill:var(--edge-soft,var(--fill));stroke:var(--edge-mark,var(--line));"
    "stroke-width:1.4}"
    ".edge-flow path{fill:none;stroke:var(--edge-mark,var(--line));stroke-width:1.8}"
    ".edge-flow path.o{stroke-dasharray:5 4}"
)


def drawing(columns: int) -> str:
    """The SVG with `columns` boxes in a row: 3 for a page, 1 for a phone."""
    places = [_place(number, columns) for number in range(len(STEPS))]
    loop = 40 if columns > 1 else 0
    width = max(x for x, _ in places) + BOX_WIDTH + MARGIN + (0 if columns > 1 else 34)
    height = max(y for _, y in places) + BOX_HEIGHT + MARGIN + loop
    arrows = [_arrow(*pair) for pair in itertools.pairwise(places)]
    boxes = [_box(step, *place) for step, place in zip(STEPS, places, strict=True)]
    inside = "".join((*arrows, *boxes, _loop(places, columns)))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' class='edge-flow' role='img' "
        f"viewBox='0 0 {width} {height}' aria-label='{ALT}'><style>{STYLE}</style>{inside}</svg>\n"
    )


def _place(number: int, columns: int) -> tuple[int, int]:
    row, column = divmod(number, columns)
    if row % 2:
        column = columns - 1 - column  # the second row runs back, so that arrows stay short
    return MARGIN + column * (BOX_WIDTH + GAP), MARGIN + row * (BOX_HEIGHT + GAP)


def _box(step: Step, x: int, y: int) -> str:
    kind = "t v" if step.verb else "t"
    words = "".join(
        f"<text class='l' x='{x + 14}' y='{y + 54 + 18 * number}'>{escape(line)}</text>"
        for number, line in enumerate(step.lines)
    )
    return (
        f"<rect x='{x}' y='{y}' width='{BOX_WIDTH}' height='{BOX_HEIGHT}' rx='7'/>"
        f"<text class='{kind}' x='{x + 14}' y='{y + 29}'>{escape(step.title)}</text>{words}"
    )


def _arrow(here: tuple[int, int], there: tuple[int, int]) -> str:
    (x, y), (next_x, next_y) = here, there
    if next_y > y:
        middle = x + BOX_WIDTH // 2
        end = next_y - 3
        return f"<path d='M{middle} {y + BOX_HEIGHT}V{end}m-6 -7l6 7 6 -7'/>"
    line = y + BOX_HEIGHT // 2
    if next_x > x:
        return f"<path d='M{x + BOX_WIDTH} {line}H{next_x - 3}m-7 -6l7 6 -7 6'/>"
    return f"<path d='M{x} {line}H{next_x + BOX_WIDTH + 3}m7 -6l-7 6 7 6'/>"


def _loop(places: list[tuple[int, int]], columns: int) -> str:
    """`optimize`: from the report's numbers back to convert."""
    (report_x, report_y), (_, convert_y) = places[4], places[1]
    if columns == 1:
        right = report_x + BOX_WIDTH
        top, bottom = convert_y + BOX_HEIGHT // 2, report_y + BOX_HEIGHT // 2
        middle = (top + bottom) // 2
        return (
            f"<path class='o' d='M{right} {bottom}h22V{top}h-19m7 -6l-7 6 7 6'/>"
            f"<text class='l v' transform='translate({right + 34} {middle}) rotate(-90)' "
            "text-anchor='middle'>optimize</text>"
        )
    middle = report_x + BOX_WIDTH // 2
    return (
        f"<path class='o' d='M{middle} {report_y}V{convert_y + BOX_HEIGHT + 3}m-6 7l6 -7 6 7'/>"
        f"<text class='l v' x='{middle + 12}' y='{report_y - GAP // 2 + 5}'>optimize</text>"
    )


if __name__ == "__main__":
    ASSET.write_text(drawing(3), encoding="utf-8")
