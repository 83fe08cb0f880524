"""What passes the gate and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.conversion.verification.gate import accuracy_gate
from edgecnn.evaluation.class_scorer import ClassScorer
from edgecnn.evaluation.parity import parity
from edgecnn.evaluation.tasks import ScoringContext

RNG = np.random.default_rng(0)
N, CLASSES = 200, 4
TRUTH = RNG.integers(0, CLASSES, N)
SCORER = ClassScorer(ScoringContext(TRUTH, [str(label) for label in range(CLASSES)]))
GOOD = np.eye(CLASSES)[TRUTH] + RNG.uniform(0, 0.3, (N, CLASSES))


def judged(reference: np.ndarray, outputs: np.ndarray, *, labels: bool = True, **more):
    accuracies = (SCORER.accuracy([reference]), SCORER.accuracy([outputs])) if labels else ()
    return accuracy_gate(parity([reference], [outputs]), *accuracies, **more)


def test_a_faithful_file_passes():
    found = judged(GOOD, GOOD + 1e-3)
    assert found.passed
    assert not found.notes
    assert judged(GOOD, GOOD + 1e-3, labels=False) is None


def test_a_parent_that_guesses_passes_nothing():
    guessing = RNG.random((N, CLASSES))
    found = judged(guessing, guessing.copy())
    assert not found.passed
    assert found.undecided
    assert "not better than chance" in found.reason


@pytest.mark.parametrize("labels", [True, False])
def test_a_parent_that_answers_one_class_passes_nothing(labels: bool):
    same = RNG.uniform(0, 0.3, (N, CLASSES)) + np.eye(CLASSES)[0]
    found = judged(same, same.copy(), labels=labels)
    assert not found.passed
    assert "one class" in found.reason


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_constant_parent_passes_nothing(synthetic: bool):
    constant = np.full((N, CLASSES), 0.25)
    found = judged(constant, constant, labels=False, synthetic=synthetic)
    assert not found.passed
    assert "parity is inconclusive" in found.reason
    assert ("pass --data" in found.reason) is synthetic


def test_one_class_on_noise_does_not_speak_against_a_file():
    same = RNG.uniform(0, 0.3, (N, CLASSES)) + np.eye(CLASSES)[0]
    assert judged(same, same + 1e-4, labels=False, synthetic=True) is None


def test_below_twenty_decibels_agreement_alone_does_not_pass():
    off = GOOD * 1.2
    assert not judged(GOOD, off, labels=False).passed
    beside = judged(GOOD, off)  # the accuracy held: it passes, and says how far off it is
    assert beside.passed
    assert "below 20 dB" in beside.notes[0]


def test_below_ten_decibels_nothing_passes():
    found = judged(GOOD, GOOD * 1.6)
    assert not found.passed
    assert "SNR 4.4 dB" in found.reason


def test_a_lost_part_does_not_pass_without_an_accuracy():
    head = np.concatenate([RNG.uniform(0, 640, (20, 9, 4)), RNG.random((20, 9, 1))], axis=-1)
    found = accuracy_gate(parity([head], [np.rint(head / 2.5) * 2.5]))
    assert not found.passed
    assert "channel 4" in found.reason


def test_a_drop_fails_with_its_numbers():
    worse = GOOD.copy()
    worse[:20] = np.roll(GOOD[:20], 1, axis=1)
    found = judged(GOOD, worse)
    assert not found.passed
    assert not found.undecided
    assert "90.00%, parent 100.00%" in found.reason
