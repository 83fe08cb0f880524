"""The page's section on a search: the answer, what was tried, and how the choice came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log10
from pathlib import Path
from typing import Any

from edgecnn import numbers
from edgecnn.conversion.layer_names import short_names
from edgecnn.files import write_text_atomically
from edgecnn.optimization.candidates import SearchCandidate, snr_db
from edgecnn.optimization.finalists import in_order
from edgecnn.optimization.outcome import OptimizationOutcome, TimedCandidate
from edgecnn.reporting import html
from edgecnn.results import Results
from edgecnn.selection import Constraints
from edgecnn.text import clean

WIDTH, HEIGHT, MARGIN = 640, 260, 46
"""Of the image of all that was tried, in pixels."""
LAYERS = 8


def write_page(outcome: OptimizationOutcome, results: Results | None, path: Path) -> Path:
    """The report of the finalists with the search above it; of the brief rows where nothing was
    timed.
    """
    report, limits = of_report(outcome, results)
    write_text_atomically(path, html.render([report], limits, search=section(outcome)))
    return path


def of_report(outcome: OptimizationOutcome, results: Results | None) -> tuple[Results, Constraints]:
    """What the report under the search shows, and the limits that its reader starts from.

    The finalists' accuracy is that of the search's samples, but their loss was judged on the
    claim's: rows that the claim refused are left to the search's own table, and the report asks
    no more of the others, so that it begins with the choice.
    """
    if results is None:
        rows = [each.measurement for each in outcome.tried if each.measurement is not None]
        results = Results(measurements=tuple(rows))
    elif outcome.timed:  # the rows that a race left behind have too few rounds to show
        kept = tuple(each.measurement for each in _not_refused(outcome))
        results = replace(results, measurements=kept)
    limits = outcome.goal.limits
    return results, replace(limits, drop=None) if outcome.accepted else limits


def _not_refused(outcome: OptimizationOutcome) -> list[TimedCandidate]:
    """The finalists without those that rank before an accepted choice: the claim refused them."""
    ranked = list(in_order(outcome.timed, outcome.goal)) if outcome.accepted else []
    places = [place for place, each in enumerate(ranked) if each is outcome.choice]
    refused = {id(each) for each in ranked[: places[0] if places else 0]}
    return [each for each in outcome.timed if id(each) not in refused]


def section(outcome: OptimizationOutcome) -> dict[str, Any]:
    """What the template shows; every text is cleaned, and escaped there."""
    slowest_first = sorted(outcome.timed, key=lambda each: -(each.p50_ms or float("inf")))
    timed = {(each.tried.artifact.sha256, each.tried.configuration): each for each in slowest_first}
    front = _front(outcome.tried)
    return {
        "accepted": outcome.accepted,
        "goal": clean(outcome.goal.words),
        "sentences": [clean(text, 600) for text in outcome.sentences],
        "changes": [clean(text, 300) for text in outcome.changes],
        "ways_out": [clean(text, 300) for text in outcome.ways_out],
        "parts": {name: value for name, value in outcome.parts.items() if isinstance(value, int)},
        "claims": outcome.claims,
        "rows": [_row(each, timed, front, outcome) for each in _in_order(outcome.tried)],
        "path": [
            {"stage": step.stage, "what": clean(step.what), "found": clean(step.found, 300)}
            for step in outcome.path
        ],
        "layers": [
            {
                "format": name,
                "names": clean(" + ".join(short_names(cost.tensors))),
                "operator": clean(cost.operator, 40),
                "share": numbers.percent(cost.share, 0),
                "noise": numbers.percent(cost.noise, 0),
            }
            for name, costs in outcome.costs.items()
            for cost in costs[:LAYERS]
        ],
        "obstacles": [
            {"where": clean(each.where), "why": clean(each.why, 300), "hint": clean(each.hint, 300)}
            for each in outcome.obstacles
        ],
        "picture": _image(outcome, front),
    }


def _in_order(tried: Sequence[SearchCandidate]) -> list[SearchCandidate]:
    return sorted(tried, key=lambda each: (bool(each.problem), each.rough_ms or float("inf")))


def _front(tried: Sequence[SearchCandidate]) -> set[int]:
    """Those that nothing beats in latency without losing more, by their place."""
    known = [
        (each.rough_ms, each.drop.points, place)
        for place, each in enumerate(tried)
        if each.rough_ms and each.drop is not None and not each.problem
    ]
    kept, lowest = set(), float("inf")
    for _, points, place in sorted(known):
        if points < lowest - 1e-9:
            kept.add(place)
            lowest = points
    return kept


def _row(
    tried: SearchCandidate,
    timed: dict[tuple[str, str], TimedCandidate],
    front: set[int],
    outcome: OptimizationOutcome,
) -> dict[str, Any]:
    timing = timed.get((tried.artifact.sha256, tried.configuration))
    place = next(index for index, each in enumerate(outcome.tried) if each is tried)
    return {
        "name": clean(tried.artifact.name),
        "where": clean(tried.configuration),
        "how": clean(tried.recipe.words or tried.recipe.arithmetic),
        "rough": numbers.number(tried.rough_ms),
        "p50": numbers.number(timing.p50_ms if timing else None),
        "sure": numbers.percent(timing.chance_best if timing else None, 0),
        "lost": numbers.points(-tried.drop.points) if tried.drop else numbers.DASH,
        "bound": numbers.number(tried.drop.bound) if tried.drop else numbers.DASH,
        "snr": numbers.number(snr_db(tried.noise)),
        "size": numbers.size(tried.artifact.size_bytes),
        "front": place in front,
        "chosen": outcome.choice is not None and outcome.choice.tried is tried,
        "problem": clean(tried.problem, 200),
    }


def _image(outcome: OptimizationOutcome, front: set[int]) -> dict[str, Any] | None:
    """Points (latency on a logarithmic scale, points lost) in pixels; None below two of them."""
    points = [
        (place, each, each.rough_ms, each.drop.points)
        for place, each in enumerate(outcome.tried)
        if each.rough_ms and each.drop is not None and not each.problem
    ]
    if len(points) < 2:
        return None
    times = [log10(rough) for _, _, rough, _ in points]
    worst = max(lost for *_, lost in points)
    budget = outcome.goal.max_drop
    top = max(min(worst, 10 * budget), 1.5 * budget)
    low, high = min(times) - 0.05, max(times) + 0.05

    def across(time: float) -> float:
        return round(MARGIN + (time - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    def down(lost: float) -> float:
        share = min(max(lost, -0.1 * top), top) / top
        return round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN), 1)

    drawn = [
        {
            "x": across(log10(rough)),
            "y": down(lost),
            "front": place in front,
            "chosen": outcome.choice is not None and outcome.choice.tried is each,
            "label": f"{clean(each.name)}: {rough:.3g} ms, {lost:+.2f} points lost",
        }
        for place, each, rough, lost in points
    ]
    line = sorted(
        (across(log10(rough)), down(lost)) for place, _, rough, lost in points if place in front
    )
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "margin": MARGIN,
        "budget": down(budget),
        "zero": down(0.0),
        "points": drawn,
        "line": " ".join(f"{x},{y}" for x, y in line),
        "left": f"{10**low:.2g} ms",
        "right": f"{10**high:.2g} ms",
        "top": f"{top:.2g}",
    }
