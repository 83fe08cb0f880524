"""Parity of each part of an output."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.evaluation.parity import parity
from edgecnn.evaluation.parity_findings import (
    findings,
    inconclusive_reason,
    lost_parts,
    low_snr,
    summary,
)
from edgecnn.evaluation.value_ranges import quantization_step
from edgecnn.results import Parity

RNG = np.random.default_rng(0)
BOXES = RNG.uniform(3, 636, (12, 40, 4)).astype(np.float32)
SCORES = RNG.uniform(0.01, 0.99, (12, 40, 2)).astype(np.float32)
HEAD = np.concatenate([BOXES, SCORES], axis=-1)


def rounded(values: np.ndarray, step: float) -> np.ndarray:
    return (np.rint(values / step) * step).astype(np.float32)


def test_scores_below_the_step_of_the_boxes_are_lost_in_spite_of_a_high_total():
    found = parity([HEAD], [rounded(HEAD, 2.5)], names=["head"], steps=[2.5])
    assert found.snr_db > 45
    (sentence,) = lost_parts(found)
    assert sentence.startswith("head channels 4–5: range 0.01")
    assert sentence.endswith("…0.99, the output's step is 2.5, every value is 0: lost")


def test_the_step_is_seen_from_the_values_where_no_file_tells():
    (sentence,) = lost_parts(parity([HEAD], [rounded(HEAD, 2.5)]))
    assert "step is 2.5" in sentence


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_the_axis_with_the_parts_is_found(order: tuple[int, ...]):
    before = HEAD.transpose(order)
    (sentence,) = lost_parts(parity([before], [rounded(before, 2.5)]))
    assert "channels 4–5" in sentence


def test_scores_in_an_output_of_their_own_are_fine():
    found = parity([BOXES, SCORES], [rounded(BOXES, 2.5), rounded(SCORES, 1 / 256)])
    assert findings(found) == ()
    assert [part.output for part in found.parts] == ["output", "output 1"]


def test_one_output_of_several_that_is_lost_is_named():
    found = parity([BOXES, SCORES], [BOXES, np.zeros_like(SCORES)], names=["boxes", "scores"])
    (sentence,) = lost_parts(found)
    assert sentence.startswith("scores: range 0.01")
    assert "every value is 0" in sentence


def test_rows_that_lie_orders_apart_are_parts_without_a_channel_axis():
    before = RNG.normal(size=(30, 3)) * [1000.0, 10.0, 0.1]
    found = parity([before], [rounded(before, 8.0)])
    assert {part.part for part in found.parts} == {"channel 0", "channel 1", "channel 2"}
    assert "channel 2" in " ".join(lost_parts(found))


def test_probabilities_have_one_unit_and_rare_classes_are_not_lost():
    before = RNG.dirichlet([0.05] * 50, 60).astype(np.float32)
    found = parity([before], [rounded(before, 1 / 256)])
    assert len(found.parts) == 1
    assert findings(found) == ()


def test_an_offset_does_not_hide_a_lost_signal():
    before = 1000 + RNG.uniform(-0.5, 0.5, (40, 8))
    found = parity([before], [rounded(before, 8.0)])
    assert found.snr_db > 50
    assert findings(found)


# What nothing was compared on


def test_a_constant_shows_nothing_even_where_it_is_identical():
    constant = np.full((9, 4), 0.25, np.float32)
    found = parity([constant], [constant])
    assert "identical for all 9 samples" in inconclusive_reason(found)
    assert ", identical" not in summary(found)
    assert "inconclusive" in summary(found)


def test_outputs_that_vary_less_than_the_error_show_nothing():
    before = 0.25 + 1e-5 * RNG.normal(size=(9, 4))
    found = parity([before], [before + 1e-3])
    assert "of their size only" in inconclusive_reason(found)


def test_a_small_variation_that_the_file_follows_is_a_comparison():
    before = 0.25 + 1e-4 * RNG.normal(size=(9, 4))
    assert findings(parity([before], [before + 1e-8 * RNG.normal(size=(9, 4))])) == ()


def test_one_sample_is_not_accused_of_not_varying():
    assert inconclusive_reason(parity([np.ones((1, 3))], [np.ones((1, 3))])) is None


def test_agreement_on_one_class_is_not_praised():
    before = np.tile([[0.2, 0.8]], (10, 1)) + RNG.uniform(-0.1, 0.1, (10, 2))
    found = parity([before], [before])
    assert found.parent_classes == 1
    assert "top-1 not meaningful" in summary(found)
    assert "one class for all 10 samples" in " ".join(findings(found))


def test_a_file_that_answers_one_class_where_its_parent_does_not_is_named():
    before = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 40)]
    after = 0.9 * before + 1e-3
    after[:, 0] += 1
    assert "the file answers one class" in " ".join(findings(parity([before], [after])))


def test_an_error_above_a_tenth_is_too_far():
    before = RNG.normal(size=(50, 3))
    found = parity([before], [before * 1.2])
    assert "SNR 14.0 dB is below 20 dB" in low_snr(found)
    assert low_snr(parity([before], [before * 1.05])) is None


def test_it_comes_back_equal_from_json_and_reads_what_earlier_versions_wrote():
    found = parity([HEAD], [rounded(HEAD, 2.5)])
    assert Parity.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    old = {"max_abs_error": 0.1, "snr_db": 40.0, "cosine": 1.0, "top1_agreement": 1.0, "n": 10}
    read = Parity.from_dict(old)
    assert (read.variation, read.parts) == (None, ())
    assert findings(read) == ()
    assert "top-1 agrees 100.00%" in summary(read)


heads = arrays.arrays(np.float32, (6, 5, 3), elements=st.floats(-100, 100, width=32))


@settings(max_examples=80, deadline=None)
@given(heads)
def test_an_equal_file_has_no_lost_part(head: np.ndarray):
    found = parity([head], [head.copy()])
    assert lost_parts(found) == ()
    assert low_snr(found) is None


@settings(max_examples=60, deadline=None)
@given(step=st.floats(1e-3, 10), levels=st.integers(3, 250), zero=st.integers(-128, 127))
def test_a_step_is_seen_from_levels(step: float, levels: int, zero: int):
    values = ((np.arange(levels) - zero) * np.float32(step)).astype(np.float32)
    assert quantization_step(values, 10_000) == pytest.approx(step, rel=1e-2)


def test_real_values_have_no_step():
    assert quantization_step(np.sort(RNG.normal(size=500)), 10_000) is None


class Stored:
    """An array as it lies in a file: it gives parts of itself, and notes the longest."""

    def __init__(self, values: np.ndarray) -> None:
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype
        self.longest = 0
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: slice) -> np.ndarray:
        part = self._values[place]
        self.longest = max(self.longest, len(part))
        return part

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise AssertionError("all samples at once")


def test_memory_holds_a_chunk_of_samples(monkeypatch: pytest.MonkeyPatch):
    whole = parity([HEAD], [rounded(HEAD, 2.5)])
    monkeypatch.setattr("edgecnn.evaluation.parity.CHUNK_BYTES", 5_000)
    before, after = Stored(HEAD), Stored(rounded(HEAD, 2.5))
    pieces = parity([before], [after])
    assert before.longest == after.longest == 2  # of 12; a sample is 1,920 bytes
    assert pieces.snr_db == pytest.approx(whole.snr_db)
    assert [part.part for part in pieces.parts] == [part.part for part in whole.parts]
