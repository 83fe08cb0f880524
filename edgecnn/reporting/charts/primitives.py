"""Shared parts of charts: scales, marks, colors, shapes.

Color is the runtime and shape the recipe everywhere; both and the colors of text come from
the theme (`reporting.charts.catalog.theme`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_BARS = 20
MOST_CURVES = 6
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke")
TIMED = "datum.timed"
# On a narrow page a name breaks at its dots.
NAMES = {
    "labelLimit": {"expr": "narrow ? 150 : 330"},
    "labelFontSize": {"expr": "narrow ? 10 : 12"},
    "labelLineHeight": 10,
    "labelExpr": "narrow ? split(datum.label, ' · ') : datum.label",
}
# Marks at 100% need room above them, but there is no 101%.
_ABOVE_100 = {"condition": {"test": "datum.value > 100", "value": 0}, "value": 1}
UP_TO_100 = {
    "labelExpr": "datum.value > 100 ? '' : datum.label",
    "gridOpacity": _ABOVE_100,
    "tickOpacity": _ABOVE_100,
}
FAINT = "datum.allowed ? 0.9 : 0.28"


@dataclass(frozen=True)
class Domains:
    """The runtimes, recipes and machines of a report: fixed, so that filters move no color."""

    runtimes: tuple[str, ...]
    recipes: tuple[str, ...]
    machines: tuple[str, ...]
    legends: bool = False
    """Charts on their own carry legends; the page has one for all."""


def rows() -> Any:
    import altair as alt

    return alt.Chart(alt.NamedData("rows"))


def layer(*layers: Any, height: Any) -> Any:
    import altair as alt

    colors = ("ink", "muted", "soft", "accent", "card")
    params = [alt.param(name=name, value="#777777") for name in colors]
    params.append(alt.param(name="narrow", value=False))
    params.append(alt.param(name="pair", value=["#777777", "#bbbbbb"]))
    return alt.layer(*layers).properties(width="container", height=height).add_params(*params)


def log(field: str, title: str) -> Any:
    import altair as alt

    return (
        alt.X(f"{field}:Q", title=title)
        .scale(type="log", nice=False, padding=14)
        .axis(format="~r", tickCount=6)
    )


def labels(by: str) -> Any:
    import altair as alt

    return alt.Y("label:N", title=None, sort=alt.EncodingSortField(by, op="min")).axis(**NAMES)


def runtime(domains: Domains) -> Any:
    import altair as alt

    legend = (
        alt.Legend(title="Runtime", orient="right", symbolOpacity=1) if domains.legends else None
    )
    return alt.Color("runtime:N", legend=legend).scale(
        domain=list(domains.runtimes), range="category"
    )


def recipe(domains: Domains) -> Any:
    import altair as alt

    legend = (
        alt.Legend(title="Recipe", orient="right", symbolOpacity=1, symbolFillColor="#888888")
        if domains.legends
        else None
    )
    shapes = [SHAPES[index % len(SHAPES)] for index in range(len(domains.recipes))]
    return alt.Shape("recipe:N", legend=legend).scale(domain=list(domains.recipes), range=shapes)


def points(base: Any, domains: Domains, area: int) -> Any:
    import altair as alt

    return base.mark_point(filled=True, size=area, strokeWidth=0).encode(
        color=runtime(domains),
        shape=recipe(domains),
        opacity=alt.OpacityValue({"expr": FAINT}),
        tooltip="id:N",
    )


def ring(base: Any, x: Any, y: Any) -> Any:
    import altair as alt

    return (
        base.transform_filter("datum.best")
        .mark_point(size=260, strokeWidth=1.8, filled=False, color=alt.expr("ink"), opacity=1)
        .encode(x=x, y=y)
    )


def fastest(count: int) -> Any:
    import altair as alt

    return (
        rows()
        .transform_filter(f"{TIMED} && datum.quantiles")
        .transform_window(rank="row_number()", sort=[alt.SortField("p50"), alt.SortField("id")])
        .transform_filter(f"datum.rank <= {count}")
    )


def ordered(values: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    """The different `values`, those of `first` in its order and then the others by name."""
    present = set(values)
    known = [value for value in first if value in present]
    return (*known, *sorted(present.difference(known)))
