"""A trial ends early when networks that cost no more were more accurate by the same epoch."""

from __future__ import annotations

import pytest

from edgecnn.search.pruning import FEWEST_PEERS, LearningCurve, is_hopeless

GOOD = [LearningCurve((0.5, 0.7, 0.8, 0.9), 100) for _ in range(FEWEST_PEERS)]


def test_below_the_median_of_its_peers_it_ends():
    assert is_hopeless(LearningCurve((0.1, 0.2), 100), GOOD, 4)
    assert not is_hopeless(LearningCurve((0.5, 0.75), 100), GOOD, 4)


def test_who_is_cheaper_than_all_others_never_ends():
    assert not is_hopeless(LearningCurve((0.1, 0.1), 99), GOOD, 4)


def test_who_costs_an_unknown_amount_is_compared_with_all():
    assert is_hopeless(LearningCurve((0.1, 0.1), None), GOOD, 4)


def test_with_too_few_peers_nothing_is_decided():
    assert not is_hopeless(LearningCurve((0.1, 0.1), 100), GOOD[1:], 4)


def test_peers_that_ended_before_that_epoch_do_not_count():
    short = [LearningCurve((0.9,), 100) for _ in range(9)]
    assert not is_hopeless(LearningCurve((0.1, 0.1), 100), short, 4)


@pytest.mark.parametrize("accuracies", [(), (0.0,), (0.0, 0.0, 0.0, 0.0)])
def test_the_first_quarter_and_the_end_are_left_alone(accuracies):
    assert not is_hopeless(LearningCurve(accuracies, 100), GOOD, 4)


def test_one_good_epoch_is_remembered():
    assert not is_hopeless(LearningCurve((0.75, 0.1), 100), GOOD, 4)
