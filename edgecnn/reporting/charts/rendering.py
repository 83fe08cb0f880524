"""One chart as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.analysis import answer
from edgecnn.analysis.machines import distinct
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect
from edgecnn.errors import InputError
from edgecnn.reporting.charts import catalog as charts
from edgecnn.results import Results

WIDTH = 760
KINDS = ("png", "svg", "pdf")


def render(results: Sequence[Results], name: str, kind: str, *, dark: bool = False) -> bytes:
    """The chart as PNG (2× resolution), SVG or PDF.

    Raises InputError for an unknown chart or kind, and where the results hold nothing for it.
    """
    import vl_convert

    chosen = charts.named(name)
    if kind not in KINDS:
        raise InputError(f"no chart format {kind!r}", hint=f"known: {', '.join(KINDS)}")
    rows = collect(distinct(results)[0])
    if not chosen.can_show(rows):
        able = [other.name for other in charts.CHARTS if other.can_show(rows)]
        raise InputError(
            f"these results hold nothing to draw {name!r} from",
            hint=f"they can be drawn as: {', '.join(able) or 'nothing'}",
        )
    spec = standalone(chosen, rows, dark=dark)
    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=2))
    if kind == "pdf":
        return bytes(vl_convert.vegalite_to_pdf(spec))
    return str(vl_convert.vegalite_to_svg(spec)).encode()


def standalone(chart: charts.Chart, rows: Sequence[Row], *, dark: bool) -> dict[str, Any]:
    """A complete Vega-Lite specification with its data, legends and colors."""
    look = charts.theme("dark" if dark else "light")
    drawn = chart.build(charts.domains(rows, legends=True))
    spec: dict[str, Any] = drawn.properties(width=WIDTH).to_dict()
    for param in spec["params"]:
        param["value"] = look["signals"].get(param["name"], param["value"])
    spec["title"] = {
        "text": chart.title,
        "anchor": "start",
        "frame": "group",
        "color": look["signals"]["ink"],
        "fontSize": 16,
        "offset": 14,
    }
    spec["padding"] = 16
    spec["config"] = {
        **look["config"],
        "background": look["signals"]["card"],
        "view": {"stroke": None},
    }
    spec.setdefault("datasets", {})["rows"] = charts.records(rows, answer.Constraints())
    return spec
