"""Areas and overlaps of boxes: known numbers, and what holds for every box."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecnn.geometry import areas, covered, intersections, iou, nested

side = st.floats(-1000, 1000, width=32)
boxes = hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(4)), elements=side)


def box(*sides: float):
    return np.asarray([sides], np.float32)


def test_known_overlaps():
    large, small = box(0, 0, 4, 4), box(2, 2, 6, 4)

    assert areas(large)[0] == 16
    assert areas(small)[0] == 8
    assert intersections(large, small)[0, 0] == 4
    assert iou(large, small)[0, 0] == 4 / 20
    assert covered(large, small)[0, 0] == 4 / 16
    assert covered(small, large)[0, 0] == 4 / 8
    assert nested(large, small)[0, 0] == 4 / 8


@given(boxes, boxes)
def test_shares_lie_between_0_and_1_and_boxes_without_area_share_nothing(first, second):
    for shares in (iou(first, second), covered(first, second), nested(first, second)):
        assert shares.shape == (len(first), len(second))
        assert ((shares >= 0) & (shares <= 1 + 1e-9)).all()
        assert not shares[areas(first) == 0].any()
        assert not shares[:, areas(second) == 0].any()


@given(boxes, boxes)
def test_iou_is_symmetric(first, second):
    np.testing.assert_allclose(iou(first, second), iou(second, first).T, atol=1e-6)


@given(boxes, boxes)
def test_a_share_of_the_smaller_box_is_at_least_that_of_the_union(first, second):
    assert (nested(first, second) >= iou(first, second) - 1e-9).all()
