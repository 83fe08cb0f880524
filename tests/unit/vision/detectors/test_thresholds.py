"""A larger input has a threshold of its own."""

from __future__ import annotations

import pytest

from edgecnn.vision.detectors.thresholds import for_size

METRICS = {
    "min_score": 0.6, "min_score_640": 0.65, "min_score_1024": 0.8, "min_score_second_look": 0.7,
    "test_ap50": 0.9,
}  # fmt: skip


@pytest.mark.parametrize(
    ("longer", "score"),
    [(384, 0.6), (512, 0.6), (576, 0.65), (640, 0.65), (704, 0.8), (1024, 0.8), (2048, 0.8)],
)
def test_the_threshold_is_that_of_the_next_larger_known_input(longer, score):
    assert for_size(METRICS, longer, own=512) == {**METRICS, "min_score": score}


def test_thresholds_of_inputs_below_the_files_own_do_not_count():
    assert for_size(METRICS, 1280, own=1024) == METRICS


def test_a_file_with_one_threshold_keeps_it():
    assert for_size({"min_score": 0.5}, 1024, own=512) == {"min_score": 0.5}
    assert for_size({}, 1024, own=512) == {}
