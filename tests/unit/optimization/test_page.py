"""The report of an optimization begins with what the search chose."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.analysis.answer import choose
from edgecnn.analysis.rows import collect
from edgecnn.optimization.goal import Goal
from edgecnn.optimization.outcome import OptimizationOutcome
from edgecnn.optimization.page import of_report
from edgecnn.results import Results
from tests.unit.optimization.test_finalists import timed, tried
from tests.unit.reporting import factory


def outcome(accepted: bool = True) -> OptimizationOutcome:
    """The fastest of three was refused by the claim; the second was accepted."""
    finalists = tuple(
        timed(tried(name, ms), [ms, 1.1 * ms, ms, 1.2 * ms])
        for name, ms in (("refused", 1.0), ("choice", 1.3), ("slow", 2.0))
    )
    return OptimizationOutcome(
        goal=Goal(),
        model="net",
        parts={},
        accepted=accepted,
        choice=finalists[1],
        claim=finalists[1].tried.drop,
        tried=tuple(each.tried for each in finalists),
        timed=finalists,
    )


def test_the_report_begins_with_the_choice():
    shown, limits = of_report(outcome(), Results(measurements=()))
    names = [row.artifact.name for row in shown.measurements]
    assert names == ["choice.tflite", "slow.tflite"]
    (found,) = choose(collect([shown]), limits)
    assert found.row.artifact == "choice.tflite"
    assert "Undecided" not in found.sentence


def test_a_report_without_an_accepted_choice_shows_all_and_keeps_the_limit():
    shown, limits = of_report(outcome(accepted=False), Results(measurements=()))
    assert len(shown.measurements) == 3
    assert limits.drop == 1.0


def test_where_nothing_was_timed_the_brief_rows_are_shown():
    brief = replace(tried("one", 1.0), measurement=factory.measurement())
    shown, _ = of_report(replace(outcome(), timed=(), tried=(brief,)), None)
    assert len(shown.measurements) == 1
