"""Shapes that a model takes: which arrays fit, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.tensor_spec import TensorSpec, fits, is_batched, one_tensor_error, shape_text


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), "()"), ((8,), "(8,)"), ((None,), "(?,)"), ((1, None, 3), "(1, ?, 3)")],
)
def test_a_shape_is_written_as_numpy_does_with_question_marks(shape, expected):
    assert shape_text(shape) == expected
    assert shape_text(np.shape(np.zeros((2, 3)))) == str(np.zeros((2, 3)).shape)


@pytest.mark.parametrize(
    ("shape", "wanted", "fit"),
    [
        ((1, 28), (1, 28), True),
        ((7, 28), (None, 28), True),
        ((1, 27), (1, 28), False),
        ((28,), (1, 28), False),
        ((), (), True),
    ],
)
def test_an_open_dimension_takes_any_size(shape, wanted, fit):
    assert fits(shape, wanted) is fit


def test_data_of_one_tensor_for_several_inputs_are_an_error_that_names_them():
    inputs = [TensorSpec("ids", (None, 8), "int32"), TensorSpec("mask", (1, 8), "int32")]
    error = one_tensor_error("two.onnx", inputs, otherwise="float32 needs none")
    assert error.message == (
        "two.onnx takes 2 inputs (ids (?, 8), mask (1, 8)), each sample has one tensor"
    )
    assert error.with_hint == f"{error.message} ({error.hint})"
    assert error.hint.endswith("; float32 needs none")


def test_an_error_without_a_hint_is_its_message():
    assert InputError("no such file").with_hint == "no such file"


@pytest.mark.parametrize(
    ("shape", "batch", "batched"),
    [
        ((), None, False),
        ((None, 3), None, True),
        ((1, 3), None, False),
        ((4, 3), 4, True),
        ((4, 3), 1, False),
    ],
)
def test_the_first_axis_counts_samples_where_it_is_open_or_of_the_batch(shape, batch, batched):
    assert is_batched(TensorSpec("input", shape, "float32"), batch) == batched
