"""Scores against labels: right is right, and a model without an answer gets no credit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.errors import InputError
from edgecnn.evaluation.classification import (
    agreement,
    confusion_matrix,
    predictions,
    top1_accuracy,
    top5_accuracy,
    top_k_accuracy,
)

SCORES = np.asarray(
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.9, 0.1, 0.0]], np.float32
)
LABELS = np.asarray([0, 1, 2, 1])

score_tables = st.tuples(st.integers(1, 20), st.integers(2, 12)).flatmap(
    lambda shape: arrays.arrays(
        np.float32, shape, elements=st.floats(-10, 10, width=32) | st.just(float("nan"))
    )
)


def test_top1_is_the_share_of_right_answers():
    accuracy = top1_accuracy(SCORES, LABELS)

    assert (accuracy.metric, accuracy.value, accuracy.n) == ("top1", 0.75, 4)


def test_top1_comes_with_the_wilson_interval():
    low, high = top1_accuracy(SCORES, LABELS).ci95

    assert (round(low, 3), round(high, 3)) == (0.301, 0.954)  # 3 of 4: Wilson 1927


def test_top5_counts_labels_among_the_five_highest():
    scores = np.tile(np.arange(10, dtype=np.float32), (10, 1))

    assert top5_accuracy(scores, np.arange(10)).value == 0.5


def test_top5_says_nothing_about_five_classes():
    with pytest.raises(InputError, match="needs more than 5 classes"):
        top5_accuracy(np.eye(5), np.arange(5))


def test_a_row_with_nan_is_wrong_even_where_argmax_would_point_at_the_label():
    scores = SCORES.copy()
    scores[1, 1] = np.nan

    assert top1_accuracy(scores, LABELS).value == 0.5
    assert predictions(scores).tolist() == [0, -1, 2, 0]


def test_infinite_scores_are_scores():
    assert top1_accuracy(np.asarray([[np.inf, 1.0], [-np.inf, 1.0]]), [0, 1]).value == 1


def test_equal_scores_for_all_classes_earn_no_top5():
    assert top5_accuracy(np.zeros((10, 10)), np.arange(10)).value == 0.5


def test_integer_scores_work_as_they_are():
    assert top1_accuracy(np.asarray([[-128, 127], [127, -128]], np.int8), [1, 0]).value == 1


def test_axes_of_length_one_are_dropped():
    assert top1_accuracy(SCORES.reshape(4, 1, 1, 3), LABELS).value == 0.75


def test_models_agree_where_their_answers_are_equal():
    other = SCORES.copy()
    other[3] = [0.0, 0.0, 1.0]

    assert agreement(SCORES, other) == 0.75


def test_models_without_an_answer_do_not_agree():
    nothing = np.full((4, 3), np.nan)

    assert agreement(nothing, nothing) == 0


def test_agreement_wants_the_same_rows():
    with pytest.raises(InputError, match="received: 4, 2"):
        agreement(SCORES, SCORES[:2])


def test_the_confusion_matrix_has_labels_as_rows():
    np.testing.assert_array_equal(
        confusion_matrix(SCORES, LABELS), [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    )


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, -1], [0.0, 1.0, 2.0, 1.0]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(InputError, match="labels"):
        top1_accuracy(SCORES, labels)


@pytest.mark.parametrize("shape", [(0, 3), (4, 1), (4,), (4, 3, 3)])
def test_outputs_that_are_no_class_scores_are_refused(shape):
    with pytest.raises(InputError, match="received"):
        predictions(np.zeros(shape))


@settings(deadline=None)  # other work on the machine is not a failure
@given(score_tables, st.integers(0, 2**32 - 1))
def test_top1_is_the_diagonal_of_the_confusion_matrix(scores, seed):
    labels = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))

    right = np.trace(confusion_matrix(scores, labels))

    assert top1_accuracy(scores, labels).value == right / len(scores)


@settings(deadline=None)  # other work on the machine is not a failure
@given(score_tables, st.integers(0, 2**32 - 1))
def test_more_guesses_are_never_worse(scores, seed):
    labels = np.random.default_rng(seed).integers(0, scores.shape[1], len(scores))

    values = [top_k_accuracy(scores, labels, k).value for k in range(1, scores.shape[1])]

    assert values == sorted(values)


@settings(deadline=None)  # other work on the machine is not a failure
@given(score_tables)
def test_a_model_agrees_with_itself_on_every_row_with_an_answer(scores):
    answered = ~np.isnan(scores).any(axis=1)

    assert agreement(scores, scores) == answered.mean()
