"""Accuracy and agreement against shift, drawn with Altair in the report's colors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.explanation.shift import ShiftCurve
from edgecnn.reporting.charts import catalog as charts

DASHES = ([1, 0], [7, 5], [2, 4], [9, 4, 2, 4], [4, 8])
BROAD, FINE = 6.0, 2.2


def svg(curves: Sequence[ShiftCurve], *, width: int) -> str:
    """For a page: colors are its CSS variables, so they follow its light or dark."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(specification(curves, "page", width=width)))


def png(curves: Sequence[ShiftCurve], *, width: int, scale: float) -> bytes:
    """For a poster, on white."""
    import vl_convert

    return bytes(
        vl_convert.vegalite_to_png(specification(curves, "light", width=width), scale=scale)
    )


def specification(curves: Sequence[ShiftCurve], look: str, *, width: int) -> dict[str, Any]:
    """A Vega-Lite specification: accuracy next to agreement, bands are Wilson 95% intervals."""
    import altair as alt

    theme = charts.theme(look)
    colors = theme["config"]["range"]["category"]
    names = [curve.name for curve in curves]
    narrow = width < 560
    panel = width - 60 if narrow else (width - 130) // 2
    x = alt.X("pixels:Q", title="shift in pixels of the network's input").axis(
        format="d", tickMinStep=1
    )
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=1 if narrow else 3,
        labelLimit=300,
        symbolOpacity=1,
        symbolType="stroke",
        symbolStrokeWidth=3,
        symbolSize=260,
    )
    color = alt.Color("file:N", legend=legend).scale(
        domain=names, range=[colors[place % len(colors)] for place in range(len(names))]
    )
    dash = alt.StrokeDash("file:N", legend=None).scale(
        domain=names, range=[DASHES[place % len(DASHES)] for place in range(len(names))]
    )
    width_of = alt.StrokeWidth("file:N", legend=None).scale(
        domain=names, range=[BROAD, *(FINE for _ in names[1:])]
    )
    panels = []
    for what, title in (("accuracy", "correct"), ("agreement", "same answer as unmoved")):
        y = alt.Y(f"{what}:Q", title=title).axis(format=".0%", tickCount=6).scale(domain=[0, 1])
        base = alt.Chart(alt.NamedData("rows")).encode(x=x, color=color)
        band = base.mark_area(opacity=0.1, interpolate="linear").encode(
            y=alt.Y(f"{what}_low:Q", title=title), y2=f"{what}_high:Q"
        )
        # The first file is a broad line, so that those which lie on it are seen upon it.
        line = base.mark_line().encode(y=y, strokeDash=dash, strokeWidth=width_of)
        panels.append(alt.layer(band, line).properties(width=panel, height=230))
    joined = alt.vconcat(*panels) if narrow else alt.hconcat(*panels, spacing=34)
    spec: dict[str, Any] = joined.to_dict()
    spec.setdefault("datasets", {})["rows"] = rows(curves)
    spec["config"] = {**theme["config"], "view": {"stroke": None}}
    spec["background"] = None if look == "page" else theme["signals"]["card"]
    return spec


def rows(curves: Sequence[ShiftCurve]) -> list[dict[str, Any]]:
    """One record for each file and shift: what the chart, the table, JSON and CSV hold."""
    return [
        {
            "file": curve.name,
            "pixels": point.pixels,
            "n": point.n,
            "accuracy": point.accuracy,
            "accuracy_low": point.accuracy_ci95[0],
            "accuracy_high": point.accuracy_ci95[1],
            "agreement": point.agreement,
            "agreement_low": point.agreement_ci95[0],
            "agreement_high": point.agreement_ci95[1],
        }
        for curve in curves
        for point in curve.points
    ]
