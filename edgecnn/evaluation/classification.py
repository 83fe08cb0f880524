"""Classification: class scores (n, classes) against labels (n,).

Scores may be probabilities, logits or dequantized integers. A row with a NaN has no answer: it
counts as wrong, agrees with nothing, and stays out of the confusion matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.results import Accuracy
from edgecnn.results.accuracy_drop import pack_answers
from edgecnn.statistics.samples import wilson_interval

Scores = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

NO_ANSWER = -1


def predictions(outputs: Scores) -> Indices:
    """The class with the highest score in each row, the first among equals; −1 without answer."""
    scores = _as_scores(outputs)
    answers: Indices = scores.argmax(axis=1).astype(np.int64)
    answers[np.isnan(scores).any(axis=1)] = NO_ANSWER
    return answers


def top1_accuracy(outputs: Scores, labels: npt.ArrayLike) -> Accuracy:
    """The share of rows whose highest score is the label's, with its Wilson 95% interval."""
    return top_k_accuracy(outputs, labels, 1)


def top5_accuracy(outputs: Scores, labels: npt.ArrayLike) -> Accuracy:
    """The share of rows with the label among the five highest scores.

    Raises InputError with five classes or fewer, where it says nothing.
    """
    return top_k_accuracy(outputs, labels, 5)


def top_k_accuracy(outputs: Scores, labels: npt.ArrayLike, k: int) -> Accuracy:
    """The share of rows with the label among the `k` highest scores.

    Equal scores rank by class index, as `predictions` does: a model that answers the same
    for all classes, as a badly quantized one may, gains nothing by it.
    """
    scores = _as_scores(outputs)
    ground_truth = _as_labels(labels, scores)
    if not 1 <= k < scores.shape[1]:
        raise InputError(f"top-{k} needs more than {k} classes, received: {scores.shape[1]}")
    own = np.take_along_axis(scores, ground_truth[:, None], axis=1)
    classes = np.arange(scores.shape[1])
    ahead = (scores > own) | ((scores == own) & (classes < ground_truth[:, None]))
    right = (ahead.sum(axis=1) < k) & ~np.isnan(scores).any(axis=1)
    n, hits = len(ground_truth), int(right.sum())
    return Accuracy(f"top{k}", hits / n, n, wilson_interval(hits, n), right=pack_answers(right))


def agreement(outputs: Scores, reference: Scores) -> float:
    """The share of rows for which two models give the same answer."""
    ours, theirs = predictions(outputs), predictions(reference)
    if ours.shape != theirs.shape:
        raise InputError(
            f"expected outputs for the same rows, received: {len(ours)}, {len(theirs)}"
        )
    return float(((ours == theirs) & (ours != NO_ANSWER)).mean())


def confusion_matrix(outputs: Scores, labels: npt.ArrayLike) -> Indices:
    """Counts (classes, classes): row is the label, column the answer."""
    scores = _as_scores(outputs)
    ground_truth = _as_labels(labels, scores)
    answers = predictions(scores)
    answered = answers != NO_ANSWER
    classes = scores.shape[1]
    cells = ground_truth[answered] * classes + answers[answered]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class ClassRow:
    """How one class fares: None where nothing was there to divide by.

    `precision`: of the answers that say this class, the share that is right. `recall`: of its
    `n` samples, the share that is found. `f1`: the harmonic mean of both.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    n: int


def per_class(counts: Indices) -> tuple[ClassRow, ...]:
    """A row for each class of a confusion matrix (classes, classes)."""
    rows = []
    for index in range(len(counts)):
        hits, answers, n = (
            int(value)
            for value in (counts[index, index], counts[:, index].sum(), counts[index].sum())
        )
        rows.append(
            ClassRow(
                hits / answers if answers else None,
                hits / n if n else None,
                2 * hits / (answers + n) if answers + n else None,
                n,
            )
        )
    return tuple(rows)


def _as_scores(outputs: Scores) -> Scores:
    """(n, classes); axes of length 1 that some converters keep, (n, 1, 1, classes), are dropped."""
    scores = np.asarray(outputs)
    if scores.ndim > 2 and scores.shape[-1] * scores.shape[0] == scores.size:
        scores = scores.reshape(scores.shape[0], scores.shape[-1])
    if scores.ndim != 2 or scores.shape[0] == 0 or scores.shape[1] < 2:
        raise InputError(
            f"classification outputs are (n, classes) with n ≥ 1 and at least 2 classes, "
            f"received: {np.shape(outputs)}"
        )
    return scores


def _as_labels(labels: npt.ArrayLike, scores: Scores) -> Indices:
    ground_truth = np.asarray(labels)
    if ground_truth.shape != (len(scores),) or not np.issubdtype(ground_truth.dtype, np.integer):
        raise InputError(
            f"expected {len(scores)} whole-number labels (n,), "
            f"received: {ground_truth.dtype} {ground_truth.shape}"
        )
    if ground_truth.min() < 0 or ground_truth.max() >= scores.shape[1]:
        raise InputError(
            f"labels run from {ground_truth.min()} to {ground_truth.max()}, "
            f"the model has {scores.shape[1]} classes",
            hint="the model was trained on other labels than this data set has",
        )
    return ground_truth.astype(np.int64)
