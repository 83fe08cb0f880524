"""Better than guessing, or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.evaluation.chance import at_least, chance_level
from edgecnn.evaluation.class_scorer import ClassScorer
from edgecnn.evaluation.tasks import ScoringContext
from edgecnn.results import Accuracy
from edgecnn.results.chance_level import uninformative_reason


def test_the_tail_is_the_exact_binomial_one():
    assert at_least(2, 2, 0.5) == pytest.approx(0.25)
    assert at_least(1, 3, 1 / 3) == pytest.approx(1 - (2 / 3) ** 3)
    assert at_least(0, 5, 0.2) == 1.0
    assert at_least(9_500, 10_000, 0.5) < 1e-100


@given(n=st.integers(1, 200), hits=st.integers(0, 200), chance=st.floats(0.01, 0.99))
def test_more_hits_are_less_likely(n: int, hits: int, chance: float):
    hits = min(hits, n)
    assert 0 <= at_least(hits, n, chance) <= 1
    assert at_least(hits + 1, n, chance) <= at_least(hits, n, chance) + 1e-9


def test_guessing_knows_how_often_classes_come():
    ground_truth = np.array([0] * 90 + [1] * 10)
    assert chance_level(ground_truth, np.zeros(100, int), 2) == pytest.approx(0.9)
    assert chance_level(ground_truth, ground_truth, 2) == pytest.approx(0.82)
    assert chance_level(np.arange(10), np.arange(10), 10) == pytest.approx(0.1)


def scored(ground_truth: np.ndarray, answers: np.ndarray, classes: int) -> Accuracy:
    labels = [str(label) for label in range(classes)]
    return ClassScorer(ScoringContext(ground_truth, labels)).accuracy([np.eye(classes)[answers]])


RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 3, 120)


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (np.zeros(120, int), "answers one class for all 120 samples"),
        (RNG.integers(0, 3, 120), "not better than chance"),
    ],
)
def test_answers_that_know_nothing_prove_nothing(answers: np.ndarray, word: str):
    assert word in uninformative_reason(scored(TRUTH, answers, 3))


@pytest.mark.parametrize("wrong", [0, 20, 60])
def test_answers_that_know_something_prove_something(wrong: int):
    answers = TRUTH.copy()
    answers[:wrong] = (answers[:wrong] + 1) % 3
    assert uninformative_reason(scored(TRUTH, answers, 3)) is None


def test_a_rare_class_that_is_found_is_better_than_the_majority():
    ground_truth = np.array([0] * 180 + [1] * 20)
    answers = ground_truth.copy()
    answers[:10] = 1
    assert uninformative_reason(scored(ground_truth, answers, 2)) is None
    assert uninformative_reason(scored(ground_truth, np.zeros(200, int), 2)) is not None


def test_one_or_two_samples_prove_nothing():
    assert uninformative_reason(scored(TRUTH[:2], TRUTH[:2], 3)) is not None


def test_a_detector_that_finds_nothing_proves_nothing():
    found = Accuracy("AP50-95", 0.0, 20)
    assert "finds nothing" in uninformative_reason(found)
    assert uninformative_reason(replace(found, value=0.4)) is None


def test_accuracies_of_earlier_versions_are_left_alone():
    assert uninformative_reason(Accuracy("top1", 0.1, 100)) is None
