"""Catalog of a report's charts: content, data and colors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from edgecnn.analysis import answer
from edgecnn.analysis.baselines import group_of
from edgecnn.analysis.row import Row
from edgecnn.errors import InputError
from edgecnn.formats.recipes import RECIPES
from edgecnn.reporting.charts import primitives, specs
from edgecnn.reporting.charts.primitives import MOST_BARS, MOST_CURVES, Domains
from edgecnn.reporting.columns import COLUMNS, flat

RUNTIMES = ("litert", "onnxruntime", "openvino", "tflite-runtime", "opencv", "ncnn", "mnn", "keras")
# Okabe & Ito (2008), moved apart in lightness until each has 3:1 on its background.
LIGHT = ("#0b66b2", "#c2410c", "#0a8a5f", "#8b5bb5", "#a67700", "#5b6470", "#c2387a", "#2a8fa8")
DARK = ("#5aa9f0", "#f28a4b", "#35c48d", "#bb95e0", "#dcae3a", "#a3adb8", "#f07fb0", "#5cc7dd")


@dataclass(frozen=True)
class Chart:
    """A chart: `build` makes it in Altair, `can_show` says whether rows have anything to draw."""

    name: str
    title: str
    caption: str
    build: Callable[[Domains], Any]
    can_show: Callable[[Sequence[Row]], bool]
    wide: bool = False


def _has(*names: str) -> Callable[[Sequence[Row]], bool]:
    def can_show(rows: Sequence[Row]) -> bool:
        return any(
            row.timed and all(COLUMNS[name](row) not in (None, (), 0) for name in names)
            for row in rows
        )

    return can_show


def _varies(name: str) -> Callable[[Sequence[Row]], bool]:
    def can_show(rows: Sequence[Row]) -> bool:
        series: dict[tuple[object, ...], set[object]] = {}
        others = [other for other in ("threads", "batch") if other != name]
        for row in rows:
            if row.measured:
                file = (row.machine, row.artifact, row.provenance.sha256, row.configuration)
                asked = (row.precision_asked, row.shape, row.beam, row.affinity)
                key = (*file, *asked, *(COLUMNS[other](row) for other in others))
                series.setdefault(key, set()).add(COLUMNS[name](row))
        return any(len(values) > 1 for values in series.values())

    return can_show


def _several_machines(rows: Sequence[Row]) -> bool:
    return len({row.machine for row in rows if row.measured and not row.incomparable}) > 1


CHARTS = (
    Chart(
        "accuracy_latency",
        "Accuracy against latency",
        "Up and to the left is better. The dashed line is the Pareto front: nothing measured is "
        "both faster and more accurate than its corners. A ring marks the answer; faint marks "
        "break a limit. Vertical lines are the corners' 95% intervals.",
        specs.accuracy_latency,
        _has("accuracy"),
        wide=True,
    ),
    Chart(
        "machines",
        "Machines side by side",
        "The same artifact, runtime and options on each machine, where they are comparable.",
        specs.machines,
        _several_machines,
        wide=True,
    ),
    Chart(
        "latency_distribution",
        "Latency distributions",
        f"The {MOST_BARS} fastest rows in view. Tick: median. Bar: the middle half of all "
        "inferences. Line: 1st to 99th percentile. ○ p90, ◆ p99, where the samples allow them.",
        specs.latency_distribution,
        _has("quantiles"),
        wide=True,
    ),
    Chart(
        "latency_tails",
        "Tails of the fastest",
        f"The share of inferences that took at most so long, up to 99.5% (the "
        f"{MOST_CURVES} fastest rows in view). A long flat top is a long tail.",
        specs.latency_tails,
        _has("quantiles"),
    ),
    Chart(
        "speedup",
        "Speed-up over Keras",
        "Median latency of the Keras model divided by that of the row, same machine, batch and, "
        "where measured, threads. Lines are 95% intervals over the rounds of the run.",
        specs.speedup,
        lambda rows: any(
            row.speed.speedup.estimate is not None and row.format != "keras" for row in rows
        ),
    ),
    Chart(
        "memory",
        "Memory",
        "Largest resident set of the measuring process: interpreter, runtime and model.",
        specs.memory,
        _has("peak_rss"),
    ),
    Chart(
        "size",
        "Size",
        "The model file on disk, for each format and recipe; bar and number: the median over "
        "models.",
        specs.size,
        lambda rows: any(row.size for row in rows),
    ),
    Chart(
        "cold_start",
        "Cold start",
        f"From an open process to the first result: the {MOST_BARS} quickest rows in view.",
        specs.cold_start,
        _has("load", "first"),
        wide=True,
    ),
    Chart(
        "threads",
        "Scaling with threads",
        "One line an artifact and runtime. Flat: more threads do not help.",
        specs.threads_scaling,
        _varies("threads"),
    ),
    Chart(
        "batch",
        "Scaling with the batch",
        "Inferences a second, one request after the other.",
        specs.batch_scaling,
        _varies("batch"),
    ),
    Chart(
        "energy",
        "Energy",
        "Energy of one inference with the idle machine's share taken off.",
        specs.energy,
        _has("energy"),
    ),
    Chart(
        "roofline",
        "Roofline",
        "Arithmetic reached against arithmetic for each byte moved; the lines are the machine's "
        "measured limits, one for each precision and thread count that ran.",
        specs.roofline,
        _has("macs", "moved"),
    ),
    Chart(
        "sustained",
        "Sustained speed and temperature",
        "Median latency of each minute; dashed: temperature.",
        specs.sustained,
        lambda rows: any(len(row.speed.sustained) > 1 for row in rows),
        wide=True,
    ),
)


def names() -> list[str]:
    """All charts by name."""
    return [chart.name for chart in CHARTS]


def named(name: str) -> Chart:
    """The chart of that name. Raises InputError with the known names."""
    for chart in CHARTS:
        if chart.name == name:
            return chart
    raise InputError(f"no chart named {name!r}", hint=f"known charts: {', '.join(names())}")


def domains(rows: Sequence[Row], *, legends: bool = False) -> Domains:
    """What colors and shapes stand for in a report of these rows."""
    return Domains(
        runtimes=primitives.ordered([row.runtime for row in rows if row.runtime], RUNTIMES),
        recipes=primitives.ordered([row.recipe for row in rows if row.recipe], RECIPES),
        machines=tuple(dict.fromkeys(row.machine_label for row in rows)),
        legends=legends,
    )


def labels(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """For each row: a full label, one without the machine, and a short one.

    They name what differs between the rows and leave out what all have in common. A label that
    several files would have names the file, and the start of its hash where they share a name.
    """
    several_models = len({row.model for row in rows}) > 1
    several_machines = len({row.machine for row in rows}) > 1
    several_threads = len({row.threads for row in rows}) > 1
    asked = []
    for row in rows:
        count = f" ×{row.threads}" if several_threads else ""
        cores = f" cores {row.affinity}" if row.affinity else ""
        asked.append(f" · {row.configuration}{count}{row.unusual}{cores}")
    targets = [f"{row.format}:{row.recipe}" if row.recipe else row.artifact for row in rows]
    if several_models:
        targets = [f"{row.model} {target}" for row, target in zip(rows, targets, strict=True)]
    files = [row.artifact or target for row, target in zip(rows, targets, strict=True)]
    hashed = [f"{file} {row.provenance.sha256[:8]}" for row, file in zip(rows, files, strict=True)]
    for longer in (files, hashed):
        several = _of_several_files(rows, targets, asked)
        targets = [
            more if (target, other) in several else target
            for target, more, other in zip(targets, longer, asked, strict=True)
        ]
    out = []
    for row, target, other in zip(rows, targets, asked, strict=True):
        pair = target + other
        full = f"{pair} · {row.machine_label}" if several_machines else pair
        out.append((full, pair, f"{row.recipe or row.artifact} · {row.runtime}"))
    return out


def _of_several_files(
    rows: Sequence[Row], targets: Sequence[str], asked: Sequence[str]
) -> set[tuple[str, str]]:
    """The two parts of those labels that several measured files have, on any machine."""
    files: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row, label in zip(rows, zip(targets, asked, strict=True), strict=True):
        if row.measured and not row.incomparable:
            files.setdefault(label, set()).add((row.artifact, row.provenance.sha256))
    return {label for label, found in files.items() if len(found) > 1}


def records(rows: Sequence[Row], limits: answer.Constraints) -> list[dict[str, Any]]:
    """The data set `rows` of the charts, for charts drawn outside the page."""
    choices = answer.choose(rows, limits)
    best = {choice.row.id for choice in choices if choice.row}
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(group_of(row), []).append(row)
    out = []
    for row, (label, pair, short) in zip(rows, labels(rows), strict=True):
        record = {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in flat(row).items()
        }
        record |= {
            "label": label,
            "pair_label": pair,
            "short": short,
            "configuration": row.configuration,
            "measured": row.measured,
            "timed": row.timed,
            "best": row.id in best,
            "allowed": answer.allowed(row, limits, groups[group_of(row)]),
        }
        out.append(record)
    return out


def theme(kind: str) -> dict[str, Any]:
    """Vega configuration and signal values: "light", "dark", or "page" for CSS variables."""
    if kind == "page":
        ink, muted, grid, soft = "var(--ink)", "var(--muted)", "var(--grid)", "var(--soft)"
        series = [f"var(--series-{index})" for index in range(len(LIGHT))]
        accent, pair = "var(--accent)", ["var(--pair-0)", "var(--pair-1)"]
        card = "var(--card)"
    elif kind == "dark":
        ink, muted, grid, soft = "#e8eaed", "#a4acb6", "#262d35", "#3d4650"
        series, accent, pair = list(DARK), DARK[0], [DARK[0], "#2c5378"]
        card = "#171c22"
    else:
        ink, muted, grid, soft = "#1c2127", "#59636e", "#e6e9ed", "#ccd3da"
        series, accent, pair = list(LIGHT), LIGHT[0], [LIGHT[0], "#9cc3e6"]
        card = "#ffffff"
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
    text = {"labelFont": font, "titleFont": font, "labelColor": muted, "titleColor": muted}
    sizes = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    lines = {"gridColor": grid, "domainColor": soft, "tickColor": soft}
    colors = {"ink": ink, "muted": muted, "soft": soft, "accent": accent, "card": card}
    return {
        "signals": {**colors, "pair": pair},
        "config": {
            "background": None,
            "axis": {**text, **sizes, **lines, "titlePadding": 10},
            "legend": {**text, **sizes, "labelColor": ink},
            "range": {"category": series},
            "text": {"font": font, "fontSize": 12},
        },
    }
