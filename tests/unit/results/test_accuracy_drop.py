from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.records import read_record
from edgecnn.results.accuracy_drop import (
    TOLERANCE,
    answers,
    change,
    decide,
    describe,
    discordant,
    drop_between,
    one_sided_bounds,
    pack_answers,
)
from edgecnn.results.output_quality import Accuracy
from edgecnn.statistics.samples import wilson_interval


def accuracy(right) -> Accuracy:
    right = np.asarray(right, np.bool_)
    hits, n = int(right.sum()), right.size
    return Accuracy("top1", hits / n, n, wilson_interval(hits, n), right=pack_answers(right))


def all_but(wrong, n):
    right = np.ones(n, np.bool_)
    right[list(wrong)] = False
    return accuracy(right)


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_answers_survive_the_file(right):
    assert answers(accuracy(right)).tolist() == right


@pytest.mark.parametrize("damaged", ["", "AA", "€", "AAAAAAAAAAAAAAAA", "====", "A" * 1_000])
def test_damaged_answers_are_none(damaged):
    assert answers(replace(all_but((), 36), right=damaged)) is None


def test_what_differs_is_counted_sample_by_sample():
    assert discordant(all_but({1, 2}, 40), all_but({2, 3, 4}, 40)) == (2, 1)


def test_equal_shares_of_other_samples_are_not_the_same():
    same = drop_between(all_but({1, 2}, 400), all_but({1, 2}, 400))
    other = drop_between(all_but({1, 2}, 400), all_but({3, 4}, 400))
    assert same.points == other.points == 0
    assert same.high < other.high


def test_a_perfect_score_on_36_samples_decides_nothing_and_names_the_number_that_would():
    drop = drop_between(all_but((), 36), all_but((), 36))
    assert drop.decision(1.0) == "undecided"
    assert drop.samples_needed(1.0) == 270
    assert describe(drop, 1.0) == (
        "undecided: 36 samples cannot show whether the drop is within 1 point; about 270 would"
    )
    assert change(drop) == "no change [−9.64, +9.64], at most 6.99 lost with 95% confidence"


def test_the_same_answers_on_1000_samples_keep_one_point():
    drop = drop_between(all_but({5}, 1_000), all_but({5}, 1_000))
    assert drop.decision(1.0) == "kept"
    assert describe(drop, 1.0) == "within the limit of 1"


def test_one_side_decides_what_the_interval_with_two_leaves_open():
    drop = drop_between(all_but({5}, 360), all_but({5}, 360))
    assert drop.bound < 1.0 < drop.high
    assert drop.decision(1.0) == "kept"
    assert drop.bound == one_sided_bounds(0, 0, 360)[1]


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0, 5), st.floats(0, 10, allow_subnormal=False))
def test_a_decision_never_contradicts_what_was_measured(points, below, above, limit):
    decision = decide(points - below, points + above, limit)
    assert decision != "kept" or points <= limit + TOLERANCE
    assert decision != "broken" or points > limit


def test_a_large_drop_is_beyond_doubt():
    drop = drop_between(all_but((), 400), all_but(range(60), 400))
    assert drop.points == pytest.approx(15.0)
    assert drop.decision(1.0) == "broken"
    assert describe(drop, 1.0) == "exceeds the limit of 1"
    assert change(drop).startswith("−15.00 points [−")


def test_without_answers_the_interval_is_that_of_independent_samples():
    parent, child = (replace(all_but({1}, 360), right="") for _ in range(2))
    drop = drop_between(parent, child)
    assert drop.lost is None
    assert drop.low < 0 < drop.high
    assert drop.samples_needed(1.0) > 360
    assert drop_between(parent, replace(child, metric="top5")) is None
    assert drop_between(parent, replace(child, ci95=None)) is None


def test_samples_of_another_set_are_never_paired():
    drop = drop_between(all_but({1}, 360), all_but({1}, 360), same_samples=False)
    assert drop.lost is None


def test_a_drop_right_at_the_limit_is_never_decided():
    parent, child = all_but((), 100), all_but({0}, 100)
    assert drop_between(parent, child).samples_needed(1.0) is None


def test_old_results_have_no_answers():
    values = {"metric": "top1", "value": 0.9, "n": 10, "ci95": [0.6, 0.98]}
    old = read_record(Accuracy, values, "accuracy")
    assert answers(old) is None
