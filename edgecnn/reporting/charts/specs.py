"""The charts in Altair charts over one data set, `rows`: one record a row
(`reporting.charts.catalog.records`).

A chart filters, ranks and folds that data set itself, so that the page can hand every chart
the rows that pass the reader's filters and limits.
"""

from __future__ import annotations

from typing import Any

from edgecnn.analysis.row import QUANTILES
from edgecnn.reporting.charts import primitives
from edgecnn.reporting.charts.primitives import MOST_BARS, MOST_CURVES, NAMES, TIMED, Domains


def accuracy_latency(domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && isValid(datum.accuracy)")
        .transform_calculate(
            accuracy_percent="100 * datum.accuracy",
            low="100 * datum.accuracy_low",
            high="100 * datum.accuracy_high",
        )
    )
    x = primitives.log("p50", "Latency p50 (ms, log scale)")
    y = (
        alt.Y("accuracy_percent:Q", title="Accuracy (%)")
        .scale(zero=False, padding=12)
        .axis(**primitives.UP_TO_100)
    )
    order = [alt.SortField("p50"), alt.SortField("accuracy", "descending")]
    front = (
        base.transform_window(
            reached="max(accuracy)", sort=order, frame=[None, 0], groupby=["machine_label"]
        )
        .transform_window(before="lag(reached)", sort=order, groupby=["machine_label"])
        .transform_filter("!isValid(datum.before) || datum.accuracy > datum.before")
    )
    stairs = front.mark_line(
        interpolate="step-after", strokeDash=[4, 3], strokeWidth=1.5, color=alt.expr("muted")
    ).encode(x=x, y=y, detail="machine_label:N")
    spread = front.mark_rule(opacity=0.55, strokeWidth=1.5).encode(
        x=x,
        y=alt.Y("low:Q", title="Accuracy (%)").axis(**primitives.UP_TO_100),
        y2="high:Q",
        color=primitives.runtime(domains),
    )
    points = primitives.points(base, domains, 95).encode(x=x, y=y)
    best = (
        base.transform_filter("datum.best")
        .transform_window(rank="row_number()", sort=[alt.SortField("p50")])
        .transform_filter("datum.rank == 1")  # names of several would lie over each other
        .encode(x=x, y=y, text="short:N")
    )
    style = {"align": "left", "dx": 12, "dy": -15, "fontWeight": 600}
    halo = best.mark_text(**style, stroke=alt.expr("card"), strokeWidth=5, strokeJoin="round")
    words = best.mark_text(**style, color=alt.expr("ink"))
    return primitives.layer(
        stairs, spread, points, primitives.ring(base, x, y), halo, words, height=340
    )


def latency_distribution(domains: Domains) -> Any:
    import altair as alt

    base = primitives.fastest(MOST_BARS)
    at = {share: QUANTILES.index(share) for share in (0.01, 0.25, 0.75, 0.99)}
    base = base.transform_calculate(
        q01=f"datum.quantiles[{at[0.01]}]",
        q25=f"datum.quantiles[{at[0.25]}]",
        q75=f"datum.quantiles[{at[0.75]}]",
        q99=f"datum.quantiles[{at[0.99]}]",
    )
    y = primitives.labels("p50")
    title = "Latency (ms, log scale)"
    color = primitives.runtime(domains)
    whole = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(
        x=primitives.log("q01", title), x2="q99:Q", y=y, color=color
    )
    half = base.mark_bar(height=9, opacity=0.4, cornerRadius=2).encode(
        x=primitives.log("q25", title), x2="q75:Q", y=y, color=color, tooltip="id:N"
    )
    tails = [
        base.transform_filter(f"isValid(datum.{name})")
        .mark_point(shape=shape, size=size, opacity=1, filled=filled, strokeWidth=1.6)
        .encode(x=primitives.log(name, title), y=y, color=color, tooltip="id:N")
        for name, shape, size, filled in (
            ("p90", "circle", 34, False),
            ("p99", "diamond", 42, True),
        )
    ]
    middle = base.mark_tick(thickness=2.5, size=15, color=alt.expr("ink")).encode(
        x=primitives.log("p50", title), y=y, tooltip="id:N"
    )
    return primitives.layer(whole, half, *tails, middle, height=alt.Step(20))


def latency_tails(_domains: Domains) -> Any:
    import altair as alt

    grid = "[" + ",".join(str(share) for share in QUANTILES) + "]"
    curves = (
        primitives.fastest(MOST_CURVES)
        .transform_calculate(share=grid)
        .transform_flatten(["quantiles", "share"])
        .transform_filter("datum.share <= 0.995")  # the one slowest would set the scale
        .transform_calculate(percent="100 * datum.share")
    )
    line = curves.mark_line(strokeWidth=2, interpolate="monotone").encode(
        x=primitives.log("quantiles", "Latency (ms, log scale)"),
        y=alt.Y("percent:Q", title="Inferences at most this slow (%)").scale(domain=[0, 100]),
        color=alt.Color("label:N", sort=alt.EncodingSortField("p50"))
        .scale(range="category")
        .legend(title=None, orient="bottom", columns=1, labelLimit={"expr": "narrow ? 270 : 440"}),
        strokeDash=alt.StrokeDash("label:N", sort=alt.EncodingSortField("p50"), legend=None),
        tooltip="id:N",
    )
    return primitives.layer(line, height=240)


def speedup(domains: Domains) -> Any:
    return _dots(
        domains,
        value="speedup",
        title="Times as fast as Keras (log scale)",
        low="speedup_low",
        high="speedup_high",
        start=1,
    )


def memory(domains: Domains) -> Any:
    return _dots(domains, value="peak_rss", scale=1e-6, title="Peak resident memory (MB)")


def energy(domains: Domains) -> Any:
    return _dots(domains, value="energy", scale=1e3, title="Energy of an inference (mJ)")


def size(_domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter("isValid(datum.size)")
        .transform_aggregate(bytes="max(size)", groupby=["sha256", "format", "recipe", "model"])
        .transform_calculate(kb="datum.bytes / 1000", target="datum.format + ':' + datum.recipe")
        .transform_joinaggregate(middle="median(bytes)", groupby=["target"])
    )
    y = alt.Y("target:N", title=None, sort=alt.EncodingSortField("middle", op="min"))
    stem = base.transform_aggregate(kb="median(kb)", middle="min(middle)", groupby=["target"])
    bars = stem.mark_bar(height=10, cornerRadiusEnd=2, color=alt.expr("soft")).encode(
        x=alt.X("kb:Q", title="Size of the model file (kB)").axis(tickCount=6),
        y=y,
    )
    points = base.mark_point(filled=True, size=55, opacity=0.85, color=alt.expr("accent")).encode(
        x="kb:Q", y=y
    )
    text = stem.mark_text(align="left", dx=9, color=alt.expr("ink")).encode(
        x="kb:Q", y=y, text=alt.Text("kb:Q", format=",.3~r")
    )
    return primitives.layer(bars, points, text, height=alt.Step(26))


def cold_start(_domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && isValid(datum.load) && isValid(datum.first)")
        .transform_calculate(total="datum.load + datum.first")
        .transform_window(rank="row_number()", sort=[alt.SortField("total")])
        .transform_filter(f"datum.rank <= {MOST_BARS}")
        .transform_fold(["load", "first"], as_=["phase", "ms"])
        .transform_calculate(
            phase_name="datum.phase == 'load' ? 'load and compile' : 'first inference'",
            order="datum.phase == 'load' ? 0 : 1",
        )
    )
    bars = base.mark_bar(height=11).encode(
        x=alt.X("ms:Q", title="Until the first result (ms)", stack=True).axis(tickCount=8),
        y=primitives.labels("total"),
        color=alt.Color("phase_name:N", title=None, sort=["load and compile", "first inference"])
        .scale(range=[{"expr": "pair[0]"}, {"expr": "pair[1]"}])
        .legend(orient="top", columns={"expr": "narrow ? 1 : 2"}),
        order="order:Q",
        tooltip="id:N",
    )
    return primitives.layer(bars, height=alt.Step(20))


def threads_scaling(domains: Domains) -> Any:
    return _scaling(domains, "threads", "p50", "Threads", "Latency p50 (ms, log scale)")


def batch_scaling(domains: Domains) -> Any:
    return _scaling(domains, "batch", "throughput", "Batch", "Inferences a second (log scale)")


def machines(domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && datum.incomparable == ''")
        .transform_joinaggregate(
            places="distinct(machine)", quickest="min(p50)", groupby=["pair_label"]
        )
        .transform_filter("datum.places > 1")
        .transform_window(
            rank="dense_rank()", sort=[alt.SortField("quickest"), alt.SortField("pair_label")]
        )
        .transform_filter(f"datum.rank <= {MOST_BARS}")
    )
    y = alt.Y("pair_label:N", title=None, sort=alt.EncodingSortField("quickest", op="min")).axis(
        **NAMES
    )
    link = base.mark_line(strokeWidth=1.5, color=alt.expr("soft")).encode(
        x=primitives.log("p50", "Latency p50 (ms, log scale)"), y=y, detail="pair_label:N"
    )
    dots = base.mark_point(filled=True, size=75, opacity=0.9).encode(
        x=primitives.log("p50", "Latency p50 (ms, log scale)"),
        y=y,
        color=alt.Color("machine_label:N", title=None)
        .scale(domain=list(domains.machines), range="category")
        .legend(orient="top", labelLimit=300, columns={"expr": "narrow ? 1 : 3"}),
        tooltip="id:N",
    )
    return primitives.layer(link, dots, height=alt.Step(20))


def roofline(domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && datum.macs > 0 && datum.moved > 0")
        .transform_calculate(
            intensity="2 * datum.macs * datum.batch / datum.moved",
            reached="2 * datum.macs * datum.batch / (datum.p50 * 1e6)",
        )
    )
    x = alt.X("intensity:Q", title="Operations for each byte moved (log scale)").scale(
        type="log", nice=False
    )
    y = alt.Y("reached:Q", title="Reached (Gop/s, log scale)").scale(type="log", nice=False)
    roofs = ["machine_label", "precision", "threads"]
    roof = (
        base.transform_filter("datum.peak_ops > 0 && datum.bandwidth > 0")
        .transform_aggregate(peak="max(peak_ops)", width="max(bandwidth)", groupby=roofs)
        .transform_calculate(
            steps="[datum.peak / datum.width / 200, datum.peak / datum.width, "
            "200 * datum.peak / datum.width]"
        )
        .transform_flatten(["steps"], ["intensity"])
        .transform_calculate(reached="min(datum.peak, datum.width * datum.intensity) / 1e9")
        .mark_line(color=alt.expr("muted"), strokeWidth=2)
        .encode(x=x, y=y, detail=[f"{name}:N" for name in roofs])
    )
    return primitives.layer(roof, primitives.points(base, domains, 80).encode(x=x, y=y), height=300)


def sustained(domains: Domains) -> Any:
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter("isValid(datum.sustained) && datum.sustained.length > 1")
        .transform_flatten(["sustained"])
        .transform_calculate(minute="datum.sustained[0]", speed="datum.sustained[1]")
    )
    hot = base.transform_calculate(celsius="datum.sustained[3]").transform_filter(
        "isValid(datum.celsius)"
    )
    x = alt.X("minute:Q", title="Minutes")
    line = base.mark_line(strokeWidth=2).encode(
        x=x,
        y=alt.Y("speed:Q", title="Latency p50 (ms)").scale(zero=False),
        color=primitives.runtime(domains),
        detail="label:N",
        tooltip="id:N",
    )
    temperature = hot.mark_line(strokeDash=[3, 3], color=alt.expr("muted")).encode(
        x=x,
        y=alt.Y("celsius:Q", title="Temperature (°C, dashed)").scale(zero=False),
        detail="label:N",
    )
    return primitives.layer(line, temperature, height=260).resolve_scale(y="independent")


def _dots(
    domains: Domains,
    *,
    value: str,
    title: str,
    scale: float = 1,
    low: str = "",
    high: str = "",
    start: float | None = None,
) -> Any:
    """One lane a configuration, one mark a row, recipes next to each other in the lane."""
    import altair as alt

    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && isValid(datum.{value})")
        .transform_calculate(value=f"datum.{value} * {scale}")
        .transform_joinaggregate(middle="median(value)", groupby=["configuration"])
    )
    x = alt.X("value:Q", title=title)
    x = x.scale(type="log", nice=False, padding=14) if start else x.scale(zero=False, padding=14)
    x = x.axis(format="~r", tickCount=6)
    y = alt.Y("configuration:N", title=None, sort=alt.EncodingSortField("middle", op="min")).axis(
        labelLimit=200
    )
    offset = alt.YOffset("recipe:N").scale(domain=list(domains.recipes))
    layers = []
    if low:
        layers.append(
            base.mark_rule(opacity=0.45).encode(
                x=alt.X(f"{low}:Q", title=title),
                x2=f"{high}:Q",
                y=y,
                yOffset=offset,
                color=primitives.runtime(domains),
            )
        )
    layers.append(primitives.points(base, domains, 60).encode(x=x, y=y, yOffset=offset))
    if start:
        layers.append(
            alt.Chart(alt.InlineData([{"start": start}]))
            .mark_rule(strokeDash=[4, 3], color=alt.expr("muted"))
            .encode(x="start:Q")
        )
    return primitives.layer(*layers, height={"step": 9, "for": "offset"})


def _scaling(domains: Domains, by: str, value: str, x_title: str, y_title: str) -> Any:
    import altair as alt

    others = [name for name in ("threads", "batch") if name != by]
    series = ["machine_label", "artifact", "sha256", "configuration", "precision_asked", "shape"]
    series += ["beam", "affinity", *others]
    base = (
        primitives.rows()
        .transform_filter(f"{TIMED} && isValid(datum.{value})")
        .transform_joinaggregate(steps=f"distinct({by})", groupby=series)
        .transform_filter("datum.steps > 1")
    )
    x = alt.X(f"{by}:O", title=x_title).axis(labelAngle=0)
    y = alt.Y(f"{value}:Q", title=y_title).scale(type="log", nice=False, padding=14)
    y = y.axis(format="~r", tickCount=6)
    lines = base.mark_line(strokeWidth=1.5, opacity=0.6).encode(
        x=x, y=y, color=primitives.runtime(domains), detail=[f"{name}:N" for name in series]
    )
    return primitives.layer(
        lines, primitives.points(base, domains, 60).encode(x=x, y=y), height=260
    )
