"""How far the outputs of a bundle may be off before its self-test says so."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.optimization.bundles.self_test import (
    Recorded,
    differences,
    parts,
    read,
    tolerances,
    write,
)
from edgecnn.tensor_spec import TensorSpec

BOXES, SCORES = slice(0, 4), slice(4, 84)


def detector_rows(most: float = 0.9) -> list[np.ndarray]:
    """Outputs of a detector that joins boxes (0…640) and scores: (1, 84, 50) a sample."""
    rng = np.random.default_rng(0)
    rows = rng.random((8, 1, 84, 50)).astype(np.float32)
    rows[:, :, BOXES] *= 640
    rows[:, :, SCORES] *= most
    return list(rows)


def judged(rows, found, share: float = 0.001, scale: float = 0.0) -> list[str]:
    allowed = tolerances(TensorSpec("y", (), "float32", scale=scale), rows, share)
    recorded = Recorded(np.zeros(0), [rows], [[part.mask for part in parts(rows)]])
    return differences(recorded, [found], [allowed])


@pytest.mark.parametrize("off", [0.05, 0.64, np.nan])
def test_scores_that_are_off_are_seen_beside_boxes(off: float):
    rows = detector_rows()
    found = [row.copy() for row in rows]
    found[3][0, 10, 7] += off
    (sentence,) = judged(rows, found)
    assert "output 0 (axis 1, entries 4–83) is off by" in sentence


def test_boxes_may_be_off_by_their_own_share():
    rows = detector_rows()
    found = [row.copy() for row in rows]
    found[0][0, 2, 2] += 0.5
    assert judged(rows, found) == []
    found[0][0, 2, 2] += 0.5
    assert "entries 0–3) is off by 1" in judged(rows, found)[0]


def test_scores_that_are_all_small_in_a_few_samples_count_with_their_unit():
    rows = detector_rows(most=1e-4)
    assert judged(rows, [row + np.float32(5e-4) for row in rows]) == []


def test_entries_that_were_constant_are_compared_too():
    rows = detector_rows()
    for row in rows:
        row[0, 83] = 0
    found = [row.copy() for row in rows]
    found[0][0, 83, 0] = 0.5
    assert "constant entries" in judged(rows, found)[0]
    assert judged(rows, rows) == []


def test_an_output_of_one_range_has_one_tolerance():
    rows = [np.float32([[1, -2, 4]]) + index for index in range(8)]
    (part,) = parts(rows)
    assert (part.name, part.span) == ("", 11)
    assert judged(rows, [row + np.float32(0.5) for row in rows], scale=0.3) == []


@pytest.mark.parametrize(
    "rows",
    [
        [np.full((1, count, 6), count, np.float32) for count in (3, 0, 5)],
        [np.zeros((1, 0, 6), np.float32)] * 2,
        [np.asarray(value, np.float32) for value in (1.0, 2.0)],
        [np.zeros(3, np.float32), np.ones((2, 2), np.float32)],
    ],
    ids=["open", "empty", "scalar", "any rank"],
)
def test_outputs_of_any_shape_are_kept_and_compared(rows, tmp_path):
    path = tmp_path / "self_test.npz"
    write(path, np.zeros((len(rows), 4), np.float32), [rows])
    recorded = read(path)
    (kept,) = recorded.outputs
    assert len(recorded.tensors) == len(rows)
    assert judged(rows, kept) == []
    assert [mask.shape for mask in recorded.masks[0]] == [part.mask.shape for part in parts(rows)]
    assert [row.shape for row in kept] == [row.shape for row in rows]
    if any(row.size for row in rows):
        assert "is off by" in judged(rows, [row + 5 for row in rows])[0]


def test_another_number_of_rows_is_said():
    rows = [np.zeros((1, 3, 6), np.float32)]
    assert judged(rows, [np.zeros((1, 2, 6), np.float32)]) == [
        "output 0 is (1, 2, 6), (1, 3, 6) was recorded"
    ]
