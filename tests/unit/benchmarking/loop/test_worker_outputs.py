"""Outputs of all samples in files, also those whose size follows the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.benchmarking.accuracy import open_outputs
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.loop.worker_outputs import why_left_out, write_outputs
from edgecnn.detection.heads import open_head
from edgecnn.postprocessing import Postprocessing
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.base import Session
from edgecnn.tensor_spec import TensorSpec

Outputs = Sequence[np.ndarray]


class Answering(Session):
    """A session whose outputs are given beforehand, those of one inference after the other."""

    def __init__(self, answers: Sequence[Outputs], batch: int = 1) -> None:
        self.inputs = (TensorSpec("image", (batch, 4), "float32"),)
        self.outputs = tuple(TensorSpec(name, (), "float32") for name in "abcd"[: len(answers[0])])
        self._answers = iter(answers)

    def bind(self, tensors: Sequence[np.ndarray]) -> Any:
        return lambda: self.run_bound(tensors)

    def run_bound(self, tensors: Sequence[np.ndarray]) -> Any:
        return next(self._answers)


def written(
    folder: Path,
    answers: Sequence[Outputs],
    batch: int = 1,
    count: int | None = None,
    deadline: float | None = None,
) -> list[np.ndarray]:
    samples = [np.zeros((len(answers) * batch if count is None else count, 4), np.float32)]
    job = WorkerJob("r", "cpu", options=RuntimeOptions(batch=batch), outputs=str(folder))
    batches = iter([[samples[0][:batch]]] * len(answers))
    write_outputs(Answering(answers, batch), batches, samples, job, deadline)
    return open_outputs(folder)


def boxes(*counts: int, columns: int = 6) -> list[np.ndarray]:
    """(1, n, columns) for each n, every value its own."""
    return [np.arange(1, n * columns + 1, dtype=np.float32).reshape(1, n, columns) for n in counts]


def test_outputs_of_one_size_are_kept_as_they_are(tmp_path: Path):
    answers = [[np.full((2, 3), index, np.float32)] for index in range(3)]
    (array,) = written(tmp_path, answers, batch=2, count=5)  # the last batch is filled up
    np.testing.assert_array_equal(array[:, 0], [0, 0, 1, 1, 2])
    assert why_left_out(tmp_path) == ""


@pytest.mark.parametrize("counts", [(1, 7, 3), (7, 1, 3), (0, 1, 7), (3, 0, 0)])
@pytest.mark.parametrize("deadline", [None, float("inf")])
def test_rows_are_filled_up_with_zeros(
    tmp_path: Path, counts: tuple[int, ...], deadline: float | None
):
    """One box was once repeated in every row."""
    answers = boxes(*counts)
    (array,) = written(tmp_path, [[each] for each in answers], deadline=deadline)
    assert array.shape == (3, max(counts), 6)
    for entry, answer in zip(array, answers, strict=True):
        np.testing.assert_array_equal(entry[: answer.shape[1]], answer[0])
        assert not entry[answer.shape[1] :].any()
    assert why_left_out(tmp_path) == ""


def test_scores_and_classes_go_with_the_boxes_that_they_belong_to(tmp_path: Path):
    answers = [
        [coordinates, coordinates[:, :, 0], np.float32([n])]
        for n, coordinates in zip((2, 5), boxes(2, 5, columns=4), strict=True)
    ]
    shapes = [array.shape for array in written(tmp_path, answers)]
    assert shapes == [(2, 5, 4), (2, 5), (2,)]


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 4), (1, 4)],  # without a batch, and one box seems to be a batch of one
        [(1, 4), (3, 4)],
        [(3,), (1,)],
        [(1, 3), (1, 5)],  # numbers that belong to no boxes
        [(1, 2, 3), (1, 2, 5)],
        [(1, 2, 3), (1, 2)],
    ],
)
@pytest.mark.parametrize("deadline", [None, float("inf")])
def test_other_outputs_whose_size_changes_are_left_out_and_the_others_stay(
    tmp_path: Path, shapes: list[tuple[int, ...]], deadline: float | None
):
    answers = [[np.ones((1, 2), np.float32), np.ones(shape, np.float32)] for shape in shapes]
    kept = written(tmp_path, answers, deadline=deadline)
    assert [array.shape for array in kept] == [(2, 2)]
    assert why_left_out(tmp_path).startswith(
        f"the size of an output depends on the input (b {shapes[0]} and {shapes[1]})"
    )


def test_a_type_that_changes_is_left_out(tmp_path: Path):
    answers = [[np.ones((1, 2), np.float32)], [np.ones((1, 3), np.int64)]]
    assert written(tmp_path, answers) == []


def test_a_folder_tells_of_the_last_time_alone(tmp_path: Path):
    written(tmp_path, [[np.ones(3, np.float32)], [np.ones(1, np.float32)]])
    written(tmp_path, [[np.ones((1, 3), np.float32)]] * 2)
    assert why_left_out(tmp_path) == ""


def test_a_deadline_leaves_those_that_were_inferred(tmp_path: Path):
    (array,) = written(tmp_path, [[each] for each in boxes(1, 2, 3, 4)], deadline=0.0)
    assert array.shape == (2, 2, 6)


def test_filled_up_rows_are_no_boxes_to_a_head(tmp_path: Path):
    found = np.array([[[10, 10, 20, 20, 0.9, 3], [30, 30, 50, 50, 0.8, 0]]], np.float32)
    (array,) = written(tmp_path, [[found[:, :1]], [found]])
    head = open_head(Postprocessing("end_to_end"), every_class=True)
    (ordered,) = head.ordered([array], 64, 64)
    counts = [len(head.boxes([entry], 64, 64, 0.0)) for entry in ordered]
    assert counts == [1, 2]
