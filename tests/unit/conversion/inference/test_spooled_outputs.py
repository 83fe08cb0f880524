"""Outputs of many samples become one array, whether they fit in memory or not."""

import gc

import numpy as np
import pytest

from edgecnn.conversion.inference.spooled_outputs import Gathering
from edgecnn.errors import InputError


@pytest.mark.parametrize("limit", [0, 100, 1 << 20])
def test_parts_come_out_in_their_order_wherever_they_wait(limit: int):
    parts = [np.full((n, 2, 3), n, np.float32) for n in (1, 4, 2, 3)]
    found = Gathering("boxes", limit)
    for part in parts:
        found.add(part)
    array = found.array()
    assert np.array_equal(array, np.concatenate(parts))
    assert array.dtype == np.float32


def test_what_is_in_a_file_stays_readable_when_the_gathering_is_gone():
    found = Gathering("boxes", 0)
    found.add(np.arange(12, dtype=np.int64).reshape(3, 4))
    array = found.array()
    del found
    gc.collect()
    assert array.sum() == 66


def test_samples_of_another_size_are_refused_by_the_output_s_name():
    found = Gathering("boxes")
    found.add(np.zeros((1, 3)))
    with pytest.raises(InputError, match=r"output 'boxes' has another size .*\(3,\) and \(4,\)"):
        found.add(np.zeros((1, 4)))


def test_nothing_gathered_is_no_array():
    with pytest.raises(InputError, match="no samples"):
        Gathering("boxes").array()
