"""Distances between outputs, and the accuracy gate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.conversion.verification.gate import gate
from edgecnn.errors import GateError, InputError
from edgecnn.evaluation.parity import SNR_LIMIT_DB, parity

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], np.float32)


def test_equal_outputs_have_no_error_and_no_ratio():
    found = parity([SCORES], [SCORES.copy()])
    assert (found.max_abs_error, found.snr_db, found.top1_agreement) == (0.0, None, 1.0)
    assert found.cosine == pytest.approx(1.0)
    assert found.n == 3


def test_a_tenth_of_the_amplitude_is_twenty_decibels():
    assert parity([SCORES], [SCORES * 1.1]).snr_db == pytest.approx(20.0, abs=1e-4)


def test_the_largest_error_is_absolute():
    other = SCORES.copy()
    other[2, 1] -= 0.25
    assert parity([SCORES], [other]).max_abs_error == pytest.approx(0.25)


def test_agreement_counts_rows_with_the_same_winner():
    other = SCORES.copy()
    other[0] = [0.1, 0.9, 0.0]
    assert parity([SCORES], [other]).top1_agreement == pytest.approx(2 / 3)


def test_several_outputs_are_judged_together_and_have_no_winner():
    boxes = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    found = parity([SCORES, boxes], [SCORES, boxes + 1])
    assert found.max_abs_error == 1.0
    assert found.top1_agreement is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_only_the_child_lacks_fails_with_the_number_of_samples(value: float):
    other = SCORES.copy()
    other[1, 1] = value
    with pytest.raises(GateError, match="1 of 3 samples"):
        parity([SCORES], [other])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_both_lack_is_no_error(value: float):
    reference = SCORES.copy()
    reference[1, 1] = value
    assert parity([reference], [reference.copy()]).max_abs_error == 0.0


def test_other_shapes_are_named():
    with pytest.raises(InputError, match=r"\(3, 2\).*\(3, 3\)"):
        parity([SCORES], [SCORES[:, :2]])


def test_no_samples_are_no_comparison():
    with pytest.raises(InputError, match="no outputs"):
        parity([SCORES[:0]], [SCORES[:0]])


def test_silence_against_noise_stays_a_json_number():
    assert parity([np.zeros((2, 3))], [np.ones((2, 3))]).snr_db == -SNR_LIMIT_DB


values = arrays.arrays(np.float32, (4, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32))


@given(values, values)
def test_numbers_stay_in_their_ranges(reference: np.ndarray, outputs: np.ndarray):
    found = parity([reference], [outputs])
    differences = np.abs(reference.astype(np.float64) - outputs)
    assert found.max_abs_error == pytest.approx(differences.max(), rel=1e-6)
    assert found.snr_db is None or -SNR_LIMIT_DB <= found.snr_db <= SNR_LIMIT_DB
    assert -1 <= found.cosine <= 1
    assert 0 <= found.top1_agreement <= 1


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [
        (0.98, 0.97, True),  # exactly one point, which floats make a little more
        (0.98, 0.9699, False),
        (0.98, 0.99, True),
        (0.98, 0.98, True),
    ],
)
def test_the_gate_allows_a_drop_up_to_its_limit(before: float, after: float, passed: bool):
    assert gate(before, after, 1.0).passed is passed


def test_the_gate_says_which_numbers_it_rests_on():
    reason = gate(0.98, 0.95, 1.0).reason
    assert "95.00%, parent 98.00%" in reason
    assert "-3.00 points" in reason
