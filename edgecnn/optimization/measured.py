"""Which file to ship, answered from rows that are measured already: nothing is run for it.

What `edgecnn run` made and measured is a search by itself: usual recipes on all runtimes. Rows are
taken by their speed, fastest first, until one shows on the test samples that it keeps the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.accuracy_drop import discordant, drop_between
from edgecnn.conversion.recipe import PRESETS, Recipe
from edgecnn.manifest import Artifact
from edgecnn.optimization import words
from edgecnn.optimization.bundle import NOT_BUNDLED
from edgecnn.optimization.drops import Drop, drop_of_shares
from edgecnn.optimization.finalists import chances, in_order
from edgecnn.optimization.goal import CONFIDENCE, Goal
from edgecnn.optimization.outcome import Outcome, Timed
from edgecnn.optimization.tried import Tried
from edgecnn.proof import proves_nothing
from edgecnn.results import Accuracy, Measurement, Results

REFUSED_NAMED = 2
"""Faster files of which it is said why they were not taken."""


def answer(
    results: Results, artifacts: Sequence[Artifact], goal: Goal | None = None
) -> Outcome | None:
    """The fastest row that shows on its samples that it keeps the budget.

    `artifacts` are the files of the rows. None where there is nothing to choose: no parent or no
    answers to compare with its own, and a parent that proves nothing.
    """
    goal = goal or Goal()
    parent = _parent(results)
    if parent is None or parent.accuracy is None or proves_nothing(parent.accuracy):
        return None
    files = {artifact.sha256: artifact for artifact in artifacts}
    tried = [
        _tried(files[row.artifact.sha256], row, parent.accuracy)
        for row in results.measurements
        if row.artifact.sha256 in files
        and files[row.artifact.sha256].format not in NOT_BUNDLED
        and row.status == "ok"
        and row.latency is not None
        and row.accuracy is not None
    ]
    judged = [each for each in tried if each.drop is not None]
    if not judged:
        return None
    base = Outcome(
        goal=goal,
        model=parent.artifact.name,
        parts={"claim": parent.accuracy.n},
        accepted=False,
        choice=None,
        claim=None,
        tried=tuple(judged),
    )
    return _claimed(base, _timed(judged))


def _claimed(base: Outcome, timed: Sequence[Timed]) -> Outcome:
    goal = base.goal
    refused: list[str] = []
    for choice in in_order(timed, goal):
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
                    words.shipped(choice, claim, goal, words.MEASURED),
                    words.sure(close[0], close[1:]),
                    *words.page_differs(choice, next(in_order(timed, goal, by_rounds=False))),
                    *words.smaller(close[0], close[1:]),
                    *refused[:REFUSED_NAMED],
                ),
            )
        refused.append(words.refused(choice, claim, goal, words.MEASURED))
    return replace(
        base,
        timed=tuple(timed),
        nearest=words.nearest(base.tried, goal),
        sentences=(
            f"nothing is shown to keep the goal: {goal.words}",
            *refused[:REFUSED_NAMED],
        ),
        ways_out=(
            "edgecnn optimize repairs what loses too much: AdaRound, single layers in float32",
        ),
    )


def _rivals(choice: Timed, timed: Sequence[Timed], goal: Goal) -> tuple[Timed, ...]:
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
    rows = [choice, *others]
    found = chances([each.measurement for each in rows])
    return tuple(
        replace(each, chance_best=chance) for each, chance in zip(rows, found, strict=True)
    )


def _parent(results: Results) -> Measurement | None:
    """The row of the model itself; where no runtime ran that, of a float32 file, whose answers are
    the model's but for rounding.
    """
    known = [row for row in results.measurements if row.status == "ok" and row.accuracy is not None]
    for wanted in (
        [row for row in known if row.artifact.format == "keras"],
        [row for row in known if row.artifact.recipe == "float32"],
    ):
        if wanted:
            return wanted[0]
    return None


def _tried(artifact: Artifact, row: Measurement, parent: Accuracy) -> Tried:
    peak = row.memory["peak_rss_bytes"]
    return Tried(
        artifact,
        _recipe(artifact),
        row.configuration,
        drop=None if row.accuracy is None else _drop(parent, row.accuracy),
        rough_ms=row.latency.p50 if row.latency else None,
        peak_bytes=None if peak is None else float(peak),
        measurement=row,
    )


def _recipe(artifact: Artifact) -> Recipe:
    return PRESETS.get(artifact.manifest.recipe, Recipe())


def _drop(parent: Accuracy, found: Accuracy) -> Drop | None:
    counts = discordant(parent, found)
    if counts is not None:
        return drop_of_shares(parent, found, counts, CONFIDENCE)
    # The upper end of a two-sided interval of 2c − 1 is the one-sided bound of c; intervals that
    # are given are 95% intervals, whose upper end asks for more than that.
    between = drop_between(parent, found, confidence=2 * CONFIDENCE - 1)
    if between is None:
        return None
    return Drop(
        between.points,
        between.high,
        found.n,
        CONFIDENCE,
        metric=found.metric,
        before=parent.value,
        after=found.value,
    )


def _timed(tried: Sequence[Tried]) -> list[Timed]:
    return [Timed(each, each.measurement) for each in tried if each.measurement is not None]
