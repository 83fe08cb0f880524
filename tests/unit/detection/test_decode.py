"""Decoding undoes what the training targets encode, and survives any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecnn.detection.answer import clip_boxes, decode_outputs
from edgecnn.detection.detections import Detections
from edgecnn.detection.heads import open_head
from edgecnn.detection.heads.base import sigmoid
from edgecnn.detection.heads.heat_map import MAX_CANDIDATES, HeatMap, arrange_outputs, decode
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePlacement
from edgecnn.training.detection.loss import targets

WHOLE = ImagePlacement(0, 0, 48, 64, 1.0, 1.0)


@st.composite
def box_in_256(draw):
    width, height = draw(st.floats(10, 250)), draw(st.floats(10, 250))
    left = draw(st.floats(0, 256 - width))
    top = draw(st.floats(0, 256 - height))
    return np.asarray([left, top, left + width, top + height], np.float32)


@given(box_in_256())
def test_decoding_the_targets_gives_the_box_back(box):
    target = targets(box[None], np.zeros((0, 4), np.float32), 256)
    heat = np.where(target[:, :, 0] > 0, 5.0, -5.0)

    found = decode(heat, target[:, :, 2:], min_score=0.5)

    assert len(found) >= 1
    np.testing.assert_allclose(found.xyxy, np.tile(box, (len(found), 1)), atol=0.01)


maps = st.integers(1, 12).flatmap(
    lambda rows: st.integers(1, 12).flatmap(
        lambda columns: st.tuples(
            hnp.arrays(np.float32, (rows, columns), elements=st.floats(width=32)),
            hnp.arrays(np.float32, (rows, columns, 4), elements=st.floats(width=32)),
        )
    )
)


@given(maps, st.floats(0.01, 0.99))
def test_any_numbers_give_finite_solid_boxes_best_first(both, min_score):
    heat, box = both

    found = decode(heat, box, min_score=min_score)

    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores >= min_score - 1e-4).all()


def test_cells_that_are_no_number_are_passed_over():
    heat = np.asarray([[np.nan, 3.0, 3.0]], np.float32)
    box = np.zeros((1, 3, 4), np.float32)
    box[0, 1, 2] = np.inf

    assert len(decode(heat, box, min_score=0.5)) == 1


def test_a_map_that_fires_everywhere_gives_a_bounded_number_of_boxes():
    heat = np.linspace(1, 2, 64 * 64, dtype=np.float32).reshape(64, 64)

    found = decode(heat, np.zeros((64, 64, 4), np.float32), min_score=0.1)

    assert len(found) == MAX_CANDIDATES
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)


def test_a_cells_box_lies_around_its_own_middle():
    heat = np.full((4, 6), -9.0, np.float32)
    heat[1, 5] = 9.0
    box = np.zeros((4, 6, 4), np.float32)  # log₂ 1: one stride to every side

    found = decode(heat, box, min_score=0.5)

    np.testing.assert_allclose(found.xyxy, [[36, 4, 52, 20]])


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("heat_first", [False, True])
def test_outputs_are_told_apart_by_their_shapes(channels_first, heat_first):
    rng = np.random.default_rng(0)
    heat, box = rng.random((1, 4, 6, 1)), rng.random((1, 4, 6, 4))
    outputs = [heat, box]
    if channels_first:
        outputs = [array.transpose(0, 3, 1, 2) for array in outputs]
    if not heat_first:
        outputs.reverse()

    found_heat, found_box = arrange_outputs(outputs, 32, 48)

    np.testing.assert_array_equal(found_heat, heat)
    np.testing.assert_array_equal(found_box, box)


@pytest.mark.parametrize(
    "shapes", [[(1, 10)], [(1, 4, 6, 1)], [(1, 4, 6, 1), (1, 4, 6, 3)], [(1, 4, 6, 1)] * 3, []]
)
def test_the_outputs_of_another_model_are_refused(shapes):
    with pytest.raises(InputError, match="not a detector"):
        arrange_outputs([np.zeros(shape) for shape in shapes], 32, 48)


def test_maps_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="received"):
        decode(np.zeros((3, 3)), np.zeros((3, 4, 4)), min_score=0.5)


@given(hnp.arrays(np.float32, (5, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_clipped_boxes_lie_in_the_image(boxes):
    clipped = clip_boxes(boxes, 48, 64)

    assert (clipped >= 0).all()
    assert (clipped[:, ::2] <= 64).all()
    assert (clipped[:, 1::2] <= 48).all()


def test_detections_refuse_shapes_that_do_not_belong_together():
    with pytest.raises(InputError, match="received"):
        Detections(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))


def test_detections_keep_those_at_least_as_good():
    found = Detections(np.zeros((3, 4), np.float32), np.asarray([0.9, 0.5, 0.2], np.float32))

    assert found.at_least(0.5).scores.tolist() == pytest.approx([0.9, 0.5])
    assert [score for _, score in found] == pytest.approx([0.9, 0.5, 0.2])
    assert len(Detections.none()) == 0


def test_a_detector_of_three_classes_names_the_class_of_each_box():
    head = open_head(Postprocessing("heat_map", class_names=("a", "b", "c")))
    heat = np.full((1, 6, 8, 3), -9, np.float32)
    heat[0, 1, 1, 2], heat[0, 4, 6, 0] = 3, 2
    heat[0, 1, 1, 0] = 1  # less sure, and hidden by the better class of that cell
    box = np.zeros((1, 6, 8, 4), np.float32)
    found = decode_outputs([box, heat], (48, 64, 3), WHOLE, (48, 64), min_score=0.5, head=head)
    assert found.class_ids.tolist() == [2, 0]
    np.testing.assert_allclose(found.xyxy, [[4, 4, 20, 20], [44, 28, 60, 44]])
    each = open_head(head.settings, every_class=True)
    found = decode_outputs([heat, box], (48, 64, 3), WHOLE, (48, 64), min_score=0.5, head=each)
    assert found.class_ids.tolist() == [2, 0, 0]
    assert list(found.scores) == sorted(found.scores, reverse=True)


@pytest.mark.parametrize("classes", [1, 3, 4, 6])
@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_maps_of_any_number_of_classes_are_told_apart(classes, first):
    heat, box = np.zeros((2, 6, 8, classes), np.float32), np.ones((2, 6, 8, 4), np.float32)
    given = [heat, box] if classes == 4 else [box, heat]
    if first:
        given = [one.transpose(0, 3, 1, 2) for one in given]
    found = arrange_outputs(given, 48, 64, classes=classes)
    assert [one.shape[3] for one in found] == [classes, 4]
    assert float(found[0].max()) == 0


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("heat_first", [False, True])
@pytest.mark.parametrize("classes", [1, 4, 12, 80])
def test_there_may_be_more_classes_than_cells_a_side(classes, first, heat_first):
    shapes = [(12, 12, classes), (12, 12, 4)][:: 1 if heat_first else -1]
    if first:
        shapes = [(channels, *cells) for *cells, channels in shapes]
    assert HeatMap.classes_of(shapes) == classes


@pytest.mark.parametrize(
    ("shapes", "classes"),
    [
        ([(None, None, 80), (None, None, 4)], 80),
        ([(None, None, None), (None, None, None)], None),
        ([(12, 12, 80), (6, 6, 4)], None),
        ([(12, 12, 80)], None),
    ],
)
def test_how_many_classes_there_are_is_what_the_shapes_say_and_no_guess(shapes, classes):
    assert HeatMap.classes_of(shapes) == classes


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_as_many_classes_as_rows_and_columns_lie_as_the_boxes_do(first):
    heat = np.arange(6**3, dtype=np.float32).reshape(1, 6, 6, 6)
    box = np.ones((1, 6, 6, 4), np.float32)
    given = [box, heat]
    if first:
        given = [one.transpose(0, 3, 1, 2) for one in given]
    found, _ = arrange_outputs(given, 48, 48, classes=6)
    np.testing.assert_array_equal(found, heat)


def test_logits_of_any_size_are_shares_without_overflow():
    logits = np.array([-1e4, -20.0, 0.0, 20.0, 1e4])
    with np.errstate(all="raise"):
        shares = sigmoid(logits)
    assert shares == pytest.approx([0.0, 2.0611536e-9, 0.5, 1.0, 1.0])
