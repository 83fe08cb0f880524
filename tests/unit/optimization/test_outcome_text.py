"""What an answer says of files that were not taken."""

from __future__ import annotations

from edgecnn.optimization import outcome_text
from edgecnn.optimization.goal import Goal
from tests.unit.optimization.test_finalists import timed, tried


def test_a_faster_file_that_too_few_samples_can_judge_is_called_undecided():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    within = tried("int", 1.0, lost=1)
    (said,) = outcome_text.undecided(choice, [choice.tried, within], 360, Goal())
    assert said.startswith(
        "undecided: int.tflite on litert:cpu, about 2.0× as fast: 0.28 points lost"
    )
    assert "360 samples cannot show whether the drop is within 1 point; about " in said
    assert "would" in said


def test_a_file_that_loses_too_much_or_is_slower_is_not_undecided():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    lossy, slower = tried("lossy", 1.0, lost=9), tried("slower", 3.0, lost=1)
    assert not list(outcome_text.undecided(choice, [lossy, slower], 360, Goal()))


def test_what_has_gained_is_not_called_lost():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    (said,) = outcome_text.undecided(
        choice, [tried("int", 1.0, gained=5, n=500)], 500, Goal(max_drop=0.3)
    )
    assert "1.00 points gained on 500 samples" in said


def test_enough_samples_leave_nothing_undecided():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    assert not list(
        outcome_text.undecided(choice, [tried("int", 1.0, lost=1, n=360)], 3_000, Goal())
    )


def test_a_smaller_file_that_may_be_as_fast_is_named():
    from dataclasses import replace

    choice = timed(tried("float", 2.0, "float32", size=900), [2.0] * 4)
    alike = replace(timed(tried("half", 2.0, size=400), [2.0] * 4), chance_best=0.4)
    slower = replace(timed(tried("tiny", 9.0, size=10), [9.0] * 4), chance_best=0.0)
    (said,) = outcome_text.smaller(choice, [alike, slower])
    assert said.startswith("about as fast and smaller: half.tflite")


def test_what_breaks_another_limit_is_not_called_undecided():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    large = tried("int", 1.0, lost=1, size=5_000_000)
    assert list(outcome_text.undecided(choice, [large], 360, Goal()))
    assert not list(outcome_text.undecided(choice, [large], 360, Goal(max_size_bytes=1e6)))


def test_a_looser_budget_is_one_that_the_samples_would_show():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    lossy = tried("lossy", 1.0, lost=9)
    (said,) = outcome_text.relaxed_limits(choice, [choice.tried, lossy], Goal(), 400)
    assert said.startswith("with ")
    budget = float(said.split()[1])
    assert lossy.drop.points < lossy.drop.expected(400) <= budget < lossy.drop.expected(400) + 0.2


def test_faster_files_that_were_refused_are_not_passed_over_in_silence():
    choice = timed(tried("float", 2.0, "float32"), [2.0] * 4)
    (said,) = outcome_text.confidence_sentences(choice, [], Goal())
    assert said.startswith("nothing else")
    (said,) = outcome_text.confidence_sentences(choice, [], Goal(), faster=True)
    assert said == "faster files were rejected: loss not proven within the budget"


def test_rows_that_cannot_be_judged_are_named_with_their_reason():
    from dataclasses import replace

    one = timed(tried("int", 1.0), [4.0] * 4, "INVALID")
    reasons = ("the board was throttled by under-voltage",)
    invalid = replace(one, measurement=replace(one.measurement, reasons=reasons))
    slow = timed(tried("slow", 1.0), [4.0] * 4)
    said = list(outcome_text.missed_limits([invalid, slow, slow], Goal(max_latency_ms=3.0)))
    assert said[0].startswith("int.tflite on litert:cpu, 1 thread: the board was throttled")
    assert "4 ms in the full measurement" in said[1]
    assert said[2] == "and 1 more"
