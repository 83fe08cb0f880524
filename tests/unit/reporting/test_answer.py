from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.reporting.answer import Limits, choose
from edgecnn.reporting.rows import collect
from tests.unit.reporting import factory


@pytest.fixture
def rows(results):
    return collect([results])


def test_the_fastest_usable_row_within_the_limits_is_chosen(rows):
    (choice,) = choose(rows)
    within = [row for row in rows if row.measured and row.state != "NOISY" and row.drop <= 1.0]
    assert choice.row.p50 == min(row.p50 for row in within)
    assert choice.row.artifact in choice.sentence
    assert "accuracy drop ≤ 1 point" in choice.sentence


def test_a_tighter_accuracy_limit_gives_another_answer(rows):
    (choice,) = choose(rows, Limits(drop=0.1))
    assert choice.row.recipe == "float32"
    assert choice.row.drop <= 0.1


@pytest.mark.parametrize(
    ("limits", "field", "limit"),
    [
        (Limits(size=70_000), "size", 70_000),
        (Limits(peak_rss=58e6), "peak_rss", 58e6),
        (Limits(p50=0.07), "p50", 0.07),
    ],
)
def test_every_limit_is_kept(rows, limits, field, limit):
    (choice,) = choose(rows, limits)
    assert choice.row is not None
    assert getattr(choice.row, field) <= limit


def test_limits_that_nothing_keeps_give_no_row_but_a_sentence(rows):
    (choice,) = choose(rows, Limits(p50=1e-6))
    assert choice.row is None
    assert "none of 46" in choice.sentence


@pytest.mark.parametrize(
    ("objective", "field", "best"),
    [("size", "size", min), ("memory", "peak_rss", min), ("accuracy", "accuracy", max),
     ("throughput", "throughput", max)],
)  # fmt: skip
def test_the_objective_decides(rows, objective, field, best):
    (choice,) = choose(rows, Limits(objective=objective))
    usable = [row for row in rows if row.measured and row.state != "NOISY" and row.drop <= 1]
    assert getattr(choice.row, field) == best(getattr(row, field) for row in usable)


def test_an_invalid_or_failed_row_is_never_the_answer(results):
    row = factory.measurement(slowdown=0.001, verdict="INVALID", reasons=("wrong",))
    more = results.with_measurement(row)
    assert choose(collect([more]))[0].row.state == "VALID"


def test_a_noisy_row_is_chosen_only_for_want_of_a_valid_one_and_says_so(results):
    noisy = factory.measurement(slowdown=0.001, verdict="NOISY", batch=2)
    assert choose(collect([results.with_measurement(noisy)]))[0].row.state == "VALID"
    (choice,) = choose(collect([replace(results, measurements=(noisy,))]))
    assert choice.row.state == "NOISY"
    assert "noisy" in choice.sentence


def test_overlapping_intervals_are_called_a_tie(results):
    one = factory.measurement()
    twin = replace(one, artifact=replace(one.artifact, name="twin.tflite"))
    (choice,) = choose(collect([replace(results, measurements=(one, twin))]))
    assert choice.tied
    assert "Statistically indistinguishable from" in choice.sentence


def test_a_limit_that_nobody_measured_does_not_exclude_everybody(results):
    bare = replace(factory.measurement(), accuracy=None)
    (choice,) = choose(collect([replace(results, measurements=(bare,))]))
    assert choice.row is not None
    assert "accuracy not measured" in choice.sentence


def test_a_row_without_the_number_fails_where_others_have_it(results):
    bare = replace(factory.measurement(slowdown=0.01, batch=2), accuracy=None)
    (choice,) = choose(collect([results.with_measurement(bare)]))
    assert choice.row.accuracy is not None


def test_every_machine_and_device_gets_an_answer(results):
    gpu = factory.measurement(device="gpu", batch=3)
    choices = choose(collect([results.with_measurement(gpu), factory.sample("Board")]))
    assert [(c.machine_label, c.device) for c in choices] == [
        ("Sample CPU @ 2.10GHz", "cpu"),
        ("Sample CPU @ 2.10GHz", "gpu"),
        ("Board", "cpu"),
    ]
