"""Outputs of a converted file in the layout of its parent's."""

import numpy as np
import pytest

from edgecnn.conversion.inference.alignment import aligned


@pytest.mark.parametrize("shape", [(6, 1), (6, 1, 1)])
def test_axes_of_size_one_are_those_of_the_parent(shape: tuple[int, ...]):
    wanted = np.arange(6.0)
    (found,), _ = aligned([wanted], [wanted.reshape(shape)])
    assert np.array_equal(found, wanted)


def test_channels_are_where_the_parent_has_them():
    wanted = np.arange(48.0).reshape(2, 4, 3, 2)
    (found,), _ = aligned([wanted], [np.moveaxis(wanted, 1, -1)])
    assert np.array_equal(found, wanted)


def test_another_size_is_left_for_the_comparison():
    (found,), _ = aligned([np.zeros((2, 4))], [np.zeros((2, 3))])
    assert found.shape == (2, 3)
