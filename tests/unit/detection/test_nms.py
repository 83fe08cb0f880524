"""Suppression: whatever comes in, what goes out is sorted, apart, and stands for all of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecnn.detection import nms
from edgecnn.detection.detections import Detections
from edgecnn.detection.nms import suppress, suppress_by_class
from edgecnn.geometry import iou, nested

coordinate = st.floats(-100, 2000, width=32)


@st.composite
def detections(draw, most=25):
    count = draw(st.integers(0, most))
    low = draw(hnp.arrays(np.float32, (count, 2), elements=coordinate))
    extent = draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(0, 500, width=32)))
    scores = draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32)))
    return Detections(np.concatenate([low, low + extent], axis=1), scores)


@given(detections())
def test_a_box_with_an_area_overlaps_itself_fully(found):
    sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
    solid = (sides > 0.01).all(axis=1)

    np.testing.assert_allclose(np.diag(iou(found.xyxy, found.xyxy))[solid], 1, atol=1e-5)


@given(detections())
def test_survivors_come_best_first_and_the_best_survives(found):
    kept = suppress(found)

    assert (np.diff(kept.scores) <= 0).all()
    assert len(kept) <= len(found)
    if len(found):
        assert kept.scores[0] == found.scores.max()


@given(detections())
def test_survivors_do_not_overlap_where_no_one_votes(found):
    kept = suppress(found, max_iou=0.5, vote_iou=2.0)

    overlaps = iou(kept.xyxy, kept.xyxy)
    np.fill_diagonal(overlaps, 0)
    assert (overlaps <= 0.5 + 1e-5).all()


@given(detections())
def test_every_suppressed_box_overlaps_a_better_survivor(found):
    kept = suppress(found, max_iou=0.5, vote_iou=2.0)

    for box, score in found:
        overlap = iou(box[None], kept.xyxy)[0]
        within = nested(box[None], kept.xyxy)[0]
        is_survivor = (kept.xyxy == box).all(axis=1).any()
        better = kept.scores >= score
        assert is_survivor or (((overlap > 0.5) | (within > 0.7)) & better).any()


@given(detections())
def test_suppressing_twice_changes_nothing_where_no_one_votes(found):
    once = suppress(found, vote_iou=2.0)
    twice = suppress(once, vote_iou=2.0)

    np.testing.assert_array_equal(once.xyxy, twice.xyxy)
    np.testing.assert_array_equal(once.scores, twice.scores)


@given(detections(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(found, random):
    order = list(range(len(found)))
    random.shuffle(order)
    distinct = len(set(found.scores.tolist())) == len(found)

    shuffled = suppress(Detections(found.xyxy[order], found.scores[order]))

    if distinct:  # ties keep their order, by design
        np.testing.assert_allclose(shuffled.xyxy, suppress(found).xyxy, rtol=1e-4, atol=1e-2)


@given(detections())
def test_voted_boxes_stay_within_the_voters(found):
    kept = suppress(found)

    if len(found):
        margin = 1e-2 + 1e-5 * np.abs(found.xyxy).max()
        assert (kept.xyxy >= found.xyxy.min(axis=0) - margin).all()
        assert (kept.xyxy <= found.xyxy.max(axis=0) + margin).all()


def test_a_vote_is_the_mean_weighted_by_score():
    found = Detections(
        np.asarray([[0, 0, 100, 100], [0, 0, 104, 100]], np.float32),
        np.asarray([0.75, 0.25], np.float32),
    )

    kept = suppress(found)

    np.testing.assert_allclose(kept.xyxy, [[0, 0, 101, 100]], atol=1e-4)
    np.testing.assert_allclose(kept.scores, [0.75])


def test_a_part_of_a_sign_is_no_second_sign():
    found = Detections(
        np.asarray([[0, 0, 100, 100], [20, 20, 60, 60]], np.float32),
        np.asarray([0.8, 0.7], np.float32),
    )

    kept = suppress(found)

    np.testing.assert_allclose(kept.xyxy, [[0, 0, 100, 100]])
    assert len(suppress(found, max_inside=1.0)) == 2


def test_two_signs_side_by_side_both_survive():
    found = Detections(
        np.asarray([[0, 0, 50, 50], [55, 0, 105, 50]], np.float32),
        np.asarray([0.9, 0.8], np.float32),
    )

    assert len(suppress(found)) == 2


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 0.7]))
@settings(max_examples=50)
def test_plain_nms_keeps_what_no_better_box_of_its_class_overlaps(seed, max_iou):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (40, 2))], axis=1)
    found = Detections(
        boxes.astype(np.float32),
        rng.permutation(40).astype(np.float32) / 40,
        rng.integers(0, 3, 40),
    )

    kept = suppress_by_class(found, max_iou=max_iou)

    alone: list[int] = []  # the definition, one box after the other
    overlaps = iou(found.xyxy, found.xyxy)
    for place in np.argsort(-found.scores):
        rivals = [other for other in alone if found.class_ids[other] == found.class_ids[place]]
        if all(overlaps[place, other] <= max_iou for other in rivals):
            alone.append(int(place))
    np.testing.assert_array_equal(kept.xyxy, found.xyxy[alone])
    np.testing.assert_array_equal(kept.class_ids, found.class_ids[alone])


def test_boxes_of_different_classes_stay_side_by_side():
    box = np.asarray([[0, 0, 10, 10]] * 2, np.float32)
    scores = np.asarray([0.9, 0.8], np.float32)

    both = suppress_by_class(Detections(box, scores, np.asarray([0, 1])), max_iou=0.5)
    same = suppress_by_class(Detections(box, scores, np.asarray([1, 1])), max_iou=0.5)

    assert len(both) == 2
    assert same.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("count", [30, 900])
def test_few_and_many_boxes_are_suppressed_by_the_same_rule(
    count: int, monkeypatch: pytest.MonkeyPatch
):
    random = np.random.default_rng(count)
    corners = random.uniform(0, 300, (count, 2))
    sides = random.uniform(0, 120, (count, 2)) * (random.random((count, 1)) > 0.05)
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    scores = random.random(count).astype(np.float32)
    found = []
    for few in (0, 10_000):
        monkeypatch.setattr(nms, "FEW", few)
        found.append(suppress(Detections(boxes, scores, np.zeros(count, np.int64))))
    assert 1 < len(found[0]) < count
    assert np.array_equal(found[0].xyxy, found[1].xyxy)
    assert np.array_equal(found[0].scores, found[1].scores)
