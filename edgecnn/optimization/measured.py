"""Choose the file to ship from rows that are already measured.

What `edgecnn run` made and measured is a search by itself: usual recipes on all runtimes. Rows are
taken by their speed, fastest first, until one shows on the test samples that it keeps the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.analysis.baselines import accuracy_baseline
from edgecnn.analysis.row import Row
from edgecnn.analysis.rows import collect
from edgecnn.conversion.recipe import Recipe, recipe_of
from edgecnn.manifest import Artifact
from edgecnn.optimization import outcome_text
from edgecnn.optimization.bundles.bundle import NOT_BUNDLED
from edgecnn.optimization.candidates import SearchCandidate
from edgecnn.optimization.drops import BoundedDrop
from edgecnn.optimization.finalists import in_order, with_rivals
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.outcome import OptimizationOutcome, TimedCandidate
from edgecnn.results import Accuracy, Measurement, Results
from edgecnn.results.accuracy_drop import SURE, AccuracyDrop
from edgecnn.results.chance_level import uninformative_reason

REFUSED_NAMED = 2
"""Faster files of which it is said why they were not taken."""


def answer(
    results: Results, artifacts: Sequence[Artifact], goal: Goal | None = None
) -> OptimizationOutcome | None:
    """The fastest row that shows on its samples that it keeps the budget.

    `artifacts` are the files of the rows. None where there is nothing to choose: no parent or no
    answers to compare with its own, and a parent that proves nothing.
    """
    goal = goal or Goal()
    rows = collect([results])
    parent = _parent(results, rows)
    if parent is None or parent.accuracy is None or uninformative_reason(parent.accuracy):
        return None
    files = {artifact.sha256: artifact for artifact in artifacts}
    candidates = [
        (row, _tried(files[one.artifact.sha256], recipe, one, row.accuracy_drop, parent.accuracy))
        for row, one in zip(rows, results.measurements, strict=True)
        if one.artifact.sha256 in files
        and files[one.artifact.sha256].format not in NOT_BUNDLED
        and row.measured
        and one.latency is not None
        and row.accuracy_drop is not None
        and (recipe := recipe_of(files[one.artifact.sha256].manifest)) is not None
    ]
    if not candidates:
        return None
    base = OptimizationOutcome(
        goal=goal,
        model=parent.artifact.name,
        parts={"claim": parent.accuracy.n},
        accepted=False,
        choice=None,
        claim=None,
        tried=tuple(tried for _, tried in candidates),
    )
    timed = [
        TimedCandidate(tried, tried.measurement) for _, tried in candidates if tried.measurement
    ]
    return _claimed(base, timed, [row for row, _ in candidates])


def _claimed(
    base: OptimizationOutcome, timed: Sequence[TimedCandidate], rows: Sequence[Row]
) -> OptimizationOutcome:
    goal = base.goal
    refused: list[str] = []
    for choice in in_order(timed, goal, rows):
        claim = choice.tried.drop
        assert claim is not None
        if claim.within(goal.max_drop):
            close = _rivals(choice, timed, goal)
            return replace(
                base,
                accepted=True,
                choice=close[0],
                claim=claim,
                claims=len(refused) + 1,
                timed=close,
                sentences=(
                    outcome_text.shipped(choice, claim, goal, outcome_text.MEASURED),
                    *outcome_text.confidence_sentences(close[0], close[1:], goal),
                    *outcome_text.smaller(close[0], close[1:]),
                    *refused[:REFUSED_NAMED],
                    *outcome_text.multiple_comparison_note(len(refused)),
                ),
            )
        refused.append(outcome_text.refused(choice, claim, goal, outcome_text.MEASURED))
    return replace(
        base,
        timed=tuple(timed),
        nearest=outcome_text.nearest(base.tried, goal),
        sentences=(
            f"no file provably meets the goal: {goal.words}",
            *refused[:REFUSED_NAMED],
        ),
        ways_out=("edgecnn optimize can reduce the loss: AdaRound, single layers in float32",),
    )


def _rivals(
    choice: TimedCandidate, timed: Sequence[TimedCandidate], goal: Goal
) -> tuple[TimedCandidate, ...]:
    """The choice, then all else that would have been accepted, each with its chance to be the
    fastest.
    """
    others = [
        each
        for each in timed
        if each is not choice
        and each.tried.drop is not None
        and each.tried.drop.within(goal.max_drop)
    ]
    return with_rivals(choice, others)


def _parent(results: Results, rows: Sequence[Row]) -> Measurement | None:
    """The row that the report compares accuracy with: the model itself; where no runtime ran that,
    a float32 file, whose answers are the model's but for rounding.
    """
    baselines = (accuracy_baseline(row, rows) for row in rows if row.accuracy is not None)
    baseline = next((row for row in baselines if row is not None), None)
    return None if baseline is None else results.measurements[baseline.id]


def _tried(
    artifact: Artifact,
    recipe: Recipe,
    measured: Measurement,
    drop: AccuracyDrop | None,
    parent: Accuracy,
) -> SearchCandidate:
    peak = measured.memory["peak_rss_bytes"]
    return SearchCandidate(
        artifact,
        recipe,
        measured.configuration,
        drop=None if drop is None else _drop(drop, measured, parent),
        rough_ms=measured.latency.p50 if measured.latency else None,
        peak_bytes=None if peak is None else float(peak),
        measurement=measured,
    )


def _drop(drop: AccuracyDrop, measured: Measurement, parent: Accuracy) -> BoundedDrop:
    assert measured.accuracy is not None
    return BoundedDrop(
        drop.points,
        drop.bound,
        drop.n,
        SURE,
        drop.lost,
        drop.gained,
        metric=measured.accuracy.metric,
        before=parent.value,
        after=measured.accuracy.value,
        floor=drop.floor,
    )
