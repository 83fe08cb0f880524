"""Shapes that a model takes: which arrays fit, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.tensor_spec import fits, shape_text


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
