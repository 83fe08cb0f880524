"""A search as one HTML page: no scripts, no network, the report's looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import log10
from typing import Any

from edgecnn import __version__, numbers
from edgecnn.reporting.assets import read
from edgecnn.search.outcome import SearchOutcome, changes, value_text
from edgecnn.search.trials import Trial
from edgecnn.text import clean

WIDTH, HEIGHT = 900, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 14, 40
MOST_ROWS = 500
"""Trials in the table; answer.json holds all."""
_TICKS = 5


def render(outcome: SearchOutcome) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    settings = outcome.settings
    front = {each.number for each in outcome.front}
    winner = outcome.winner.trial.number if outcome.winner else None
    trials = [each for each in outcome.trials if each.state not in ("waiting", "running")]
    return environment.from_string(read("search.html.j2")).render(
        css=read("page.css"),
        version=__version__,
        title=f"{clean(settings.model, 60)} for {clean(outcome.target, 80)}",
        subtitle=f"data {clean(settings.data.name, 80)}, {outcome.epochs} epochs a trial, "
        f"seed {settings.seed}, sampler {settings.sampler}",
        sentences=[clean(each, 600) for each in outcome.sentences],
        drawing=draw(outcome),
        front=[_row(each, outcome, front, winner) for each in outcome.front],
        finalists=[_row(each, outcome, front, winner) for each in outcome.finalists],
        trained=[_row(each, outcome, front, winner) for each in outcome.trained],
        final_epochs=outcome.final_epochs,
        importances=_importances(outcome),
        path=_path(trials),
        rows=[_row(each, outcome, front, winner) for each in trials[:MOST_ROWS]],
        more=max(0, len(trials) - MOST_ROWS),
        space=[
            (
                clean(each.name, 60),
                clean(_range(each.to_dict()), 200),
                clean(value_text(each.first), 60),
            )
            for each in outcome.space.parameters
        ],
    )


def draw(outcome: SearchOutcome) -> str:
    """Accuracy over latency of every measured trial as an SVG element; every text is escaped."""
    measured = [each for each in outcome.complete if each.p50 and each.accuracy is not None]
    if not measured:
        return ""
    times = [log10(each.p50 or 1.0) for each in measured]
    shares = [each.accuracy or 0.0 for each in measured]
    left, right = _padded(min(times), max(times), 0.02)
    low, high = _padded(min(shares), max(shares), 0.005)
    front = outcome.front
    winner = outcome.winner.trial.number if outcome.winner else None

    def across(milliseconds: float) -> float:
        share = (log10(milliseconds) - left) / (right - left)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def down(share: float) -> float:
        return round(HEIGHT - _BOTTOM - (share - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    label = "validation accuracy over latency; higher and further left is better"
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" class="search" aria-label="{label}">']
    for index in range(_TICKS):
        share = low + (high - low) * index / (_TICKS - 1)
        y = down(share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{share:.1%}</text>')
        time = 10 ** (left + (right - left) * index / (_TICKS - 1))
        anchor = "end" if index == _TICKS - 1 else "start" if not index else "middle"
        x = across(time)
        parts.append(f'<text x="{x}" y="{HEIGHT - 20}" text-anchor="{anchor}">{time:.3g} ms</text>')
    limit = outcome.settings.wanted.max_latency_ms
    if limit and left <= log10(limit) <= right:
        x = across(limit)
        parts.append(
            f'<line class="limit" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}">'
            f"<title>at most {limit:g} ms</title></line>"
        )
    line = " ".join(f"{across(each.p50 or 1)},{down(each.accuracy or 0)}" for each in front)
    parts.append(f'<polyline class="front" points="{line}"/>')
    on_front = {each.number for each in front}
    for each in measured:
        kind = "front" if each.number in on_front else "dominated"
        kind = "first" if each.first else kind
        kind = "winner" if each.number == winner else kind
        what = ", ".join(changes(each.parameters, outcome.space)) or "as it is"
        title = f"trial {each.number} ({what}): {each.accuracy or 0:.2%}, {each.p50:.3g} ms"
        parts.append(
            f'<circle class="{kind}" cx="{across(each.p50 or 1)}" cy="{down(each.accuracy or 0)}" '
            f'r="{7 if kind in ("winner", "first") else 4.5}"><title>{escape(clean(title, 400))}'
            "</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def _padded(low: float, high: float, least: float) -> tuple[float, float]:
    spare = max(0.06 * (high - low), least)
    return low - spare, high + spare


def _row(
    each: Trial, outcome: SearchOutcome, front: set[int], winner: int | None
) -> dict[str, Any]:
    measured = each.measured
    marks = [
        *(["chosen"] if each.number == winner else []),
        *(["first"] if each.first else []),
        *(["front"] if each.number in front else []),
    ]
    words = {"complete": "measured", "pruned": "ended early", "failed": "failed"}
    state = "tried again" if each.retried else words.get(each.state, each.state)
    what = ", ".join(changes(each.parameters, outcome.space)) or "as it is"
    return {
        "number": each.number,
        "marks": ", ".join(marks),
        "chosen": each.number == winner,
        "what": clean(what, 300),
        "state": state,
        "accuracy": numbers.percent(measured.accuracy, 2) if measured else numbers.DASH,
        "latency": numbers.number(measured.latency_ms) if measured else numbers.DASH,
        "noisy": bool(measured and measured.verdict not in ("", "VALID")),
        "size": numbers.size(measured.size_bytes) if measured else numbers.DASH,
        "memory": numbers.size(measured.memory_bytes) if measured else numbers.DASH,
        "macs": f"{each.macs / 1e6:,.2f} M" if each.macs is not None else numbers.DASH,
        "reason": clean(each.reason, 300),
    }


def _importances(outcome: SearchOutcome) -> list[dict[str, Any]]:
    return [
        {
            "objective": name,
            "bars": [
                {"name": clean(parameter, 60), "share": f"{share:.0%}",
                 "width": round(100 * min(max(share, 0.0), 1.0), 1)}
                for parameter, share in shares.items()
            ],
        }
        for name, shares in outcome.importances.items()
        if shares
    ]  # fmt: skip


def _path(trials: Iterable[Trial]) -> list[str]:
    """How the best accuracy, and the fastest at no less than the first's, came about."""
    milestones: list[str] = []
    accurate = 0.0
    fastest: float | None = None
    base: float | None = None
    for each in trials:
        measured = each.measured
        if each.state != "complete" or measured is None:
            continue
        base = measured.accuracy if each.first else base
        if measured.accuracy > accurate:
            accurate = measured.accuracy
            milestones.append(
                f"trial {each.number}: most accurate so far, {measured.accuracy:.2%} "
                f"({measured.latency_ms:.3g} ms)"
            )
        if base is not None and measured.accuracy >= base:
            if fastest is not None and measured.latency_ms < fastest:
                milestones.append(
                    f"trial {each.number}: fastest so far at no less accuracy than the first, "
                    f"{measured.latency_ms:.3g} ms ({measured.accuracy:.2%})"
                )
            fastest = min(measured.latency_ms, fastest or measured.latency_ms)
    return milestones


def _range(values: dict[str, Any]) -> str:
    if "choices" in values:
        choices: Sequence[Any] = values["choices"]
        if len(choices) == 1:
            return "fixed"
        return ", ".join(value_text(each) for each in choices)
    steps = f", steps of {value_text(values['step'])}" if "step" in values else ""
    scale = ", logarithmic" if values.get("log") else ""
    return f"{value_text(values['low'])} to {value_text(values['high'])}{steps}{scale}"
