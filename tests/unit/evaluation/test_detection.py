"""COCO's protocol on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.detection.detections import Detections
from edgecnn.errors import InputError
from edgecnn.evaluation.detection import GroundTruth, evaluate_detections
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")

NONE = np.zeros((0, 4), np.float32)
PLACE = LetterboxPreprocessing(100, 100, 3).place
SIGN = np.asarray([[10, 10, 50, 50]], np.float32)


def ground_truth(boxes=NONE, ignored=NONE):
    return GroundTruth(boxes, ignored, 100, 100)


def found(*rows):
    """Rows of (left, top, right, bottom, score)."""
    array = np.asarray(rows, np.float32).reshape(-1, 5)
    return Detections(array[:, :4], array[:, 4])


def evaluate(ground_truths, results, **options):
    return evaluate_detections(
        ground_truths, results, **{"min_score": 0.5, "place": PLACE} | options
    )


def test_perfect_boxes_score_one():
    scores = evaluate([ground_truth(SIGN), ground_truth()], [found((10, 10, 50, 50, 0.9)), found()])

    assert scores.ap50 == scores.ap50_95 == pytest.approx(1)
    assert scores.recall == scores.precision == 1
    assert scores.false_alarms_per_100 == 0


def test_a_box_with_three_quarters_overlap_counts_for_the_laxer_half_of_the_thresholds():
    # IoU 30·40 / 40·40 = 0.75: right at 0.50, 0.55 … 0.75, six of ten
    scores = evaluate([ground_truth(SIGN)], [found((10, 10, 40, 50, 0.9))])

    assert scores.ap50 == pytest.approx(1)
    assert scores.ap50_95 == pytest.approx(0.6)


def test_nothing_found_scores_zero():
    scores = evaluate([ground_truth(SIGN), ground_truth()], [found(), found()])

    assert scores.ap50 == scores.ap50_95 == scores.recall == 0
    assert scores.precision is None


def test_a_false_box_with_a_better_score_halves_the_precision_before_the_hit():
    scores = evaluate([ground_truth(SIGN)], [found((60, 60, 90, 90, 0.95), (10, 10, 50, 50, 0.9))])

    assert scores.ap50 == pytest.approx(0.5)
    assert scores.precision == 0.5


def test_false_alarms_are_counted_an_image_and_at_the_threshold():
    empty = [ground_truth() for _ in range(4)]
    alarms = [
        found((1, 1, 9, 9, 0.9), (20, 20, 30, 30, 0.8)),
        found((1, 1, 9, 9, 0.4)),
        found(),
        found(),
    ]

    scores = evaluate([ground_truth(SIGN), *empty], [found((10, 10, 50, 50, 0.9)), *alarms])

    assert scores.negatives == 4
    assert scores.false_alarms_per_100 == 25


def test_boxes_in_an_incomplete_image_count_neither_way():
    alarm = found((1, 1, 9, 9, 0.95))
    right = found((10, 10, 50, 50, 0.9))
    complete = [ground_truth(SIGN), ground_truth(), ground_truth()]
    unknown = GroundTruth(NONE, NONE, 100, 100, incomplete=True)
    scores = evaluate([*complete, unknown], [right, found(), found(), alarm])

    assert (scores.negatives, scores.false_alarms_per_100) == (2, 0)
    assert scores.ap50 == scores.precision == pytest.approx(1)
    known = evaluate([*complete, ground_truth()], [right, found(), found(), alarm])
    assert (known.negatives, known.false_alarms_per_100) == (3, pytest.approx(100 / 3))
    assert known.ap50 == known.precision == pytest.approx(0.5)


def test_a_sign_in_an_incomplete_image_is_found_or_missed_as_any():
    partly = GroundTruth(SIGN, NONE, 100, 100, incomplete=True)
    hit, missed = (evaluate([partly], [boxes]) for boxes in (
        found((10, 10, 50, 50, 0.9), (60, 60, 90, 90, 0.95)), found((60, 60, 90, 90, 0.95)),
    ))  # fmt: skip

    assert hit.ap50 == hit.recall == hit.precision == pytest.approx(1)
    assert missed.ap50 == missed.recall == 0
    assert hit.negatives == missed.negatives == 0


def test_ignored_boxes_count_neither_way():
    hidden = np.asarray([[60, 60, 90, 90]], np.float32)
    scores = evaluate(
        [ground_truth(SIGN, hidden)], [found((60, 60, 90, 90, 0.95), (10, 10, 50, 50, 0.9))]
    )

    assert scores.ap50 == pytest.approx(1)
    assert scores.precision == 1
    assert scores.signs == 1
    assert scores.negatives == 0


def test_a_second_box_on_one_sign_is_false():
    scores = evaluate([ground_truth(SIGN)], [found((10, 10, 50, 50, 0.9), (11, 11, 50, 50, 0.8))])

    assert scores.precision == 0.5


def test_recall_goes_by_the_size_in_the_networks_input():
    sizes = np.asarray([[0, 0, 10, 10], [20, 20, 60, 60], [0, 100, 90, 190]], np.float32)
    image = GroundTruth(sizes, NONE, 200, 200)
    whole = LetterboxPreprocessing(200, 200, 3).place
    scores = evaluate([image], [found((20, 20, 60, 60, 0.9))], place=whole)

    assert (scores.recall_small, scores.recall_medium, scores.recall_large) == (0, 1, 0)
    halved = evaluate([image], [found((20, 20, 60, 60, 0.9))])
    assert halved.recall_small == 0.5


@pytest.mark.parametrize(
    ("place", "small", "medium"),
    [
        (LetterboxPreprocessing(50, 200, 3).place, 1, None),  # a quarter, 40 → 10 pixels
        (LetterboxPreprocessing(200, 100, 3).place, 1, None),  # half
        (ImagePreprocessing(50, 200, 3, fit="stretch").place, None, 1),  # as wide as it was
    ],
)
def test_the_size_in_an_input_that_is_not_square_is_that_of_the_scaled_image(place, small, medium):
    image = GroundTruth(np.asarray([[20, 20, 60, 60]], np.float32), NONE, 200, 200)
    scores = evaluate([image], [found((20, 20, 60, 60, 0.9))], place=place)

    assert (scores.recall_small, scores.recall_medium, scores.recall_large) == (small, medium, None)


def test_results_must_belong_to_the_images():
    with pytest.raises(InputError, match="1 annotated images, but 2"):
        evaluate([ground_truth(SIGN)], [found(), found()])
    with pytest.raises(InputError, match="no image has a box"):
        evaluate([ground_truth()], [found()])


def of_classes(boxes, ids, ignored=NONE, ignored_ids=()):
    return GroundTruth(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        ignored,
        100,
        100,
        np.asarray(ids, np.int64),
        np.asarray(ignored_ids, np.int64),
    )


def found_of(*rows):
    """Rows of (left, top, right, bottom, score, class)."""
    array = np.asarray(rows, np.float32).reshape(-1, 6)
    return Detections(array[:, :4], array[:, 4], array[:, 5].astype(np.int64))


A, B = (10, 10, 50, 50), (60, 60, 90, 90)


def test_the_average_of_several_classes_is_the_mean_of_theirs():
    # class 3: both found. class 7: one of two found, first of all: precision 1 up to recall 0.5,
    # which 51 of COCO's 101 recall levels are. class 9: not found.
    ground_truths = [of_classes([A, B], [3, 7]), of_classes([A, B], [3, 7]), of_classes([A], [9])]
    results = [found_of((*A, 0.9, 3), (*B, 0.8, 7)), found_of((*A, 0.7, 3)), found_of()]

    scores = evaluate(ground_truths, results)

    assert scores.classes == 3
    assert scores.ap50 == pytest.approx((1 + 51 / 101 + 0) / 3)
    assert scores.recall == pytest.approx(3 / 5)


def test_a_box_of_another_class_is_no_hit_and_hides_nothing():
    ground_truths = [of_classes([A], [3])]

    wrong = evaluate(ground_truths, [found_of((*A, 0.9, 7))])
    assert wrong.ap50 == wrong.recall == 0
    assert wrong.precision == 0

    both = evaluate(ground_truths, [found_of((*A, 0.9, 7), (*A, 0.8, 3))])
    assert both.ap50 == pytest.approx(1)  # class 7 has no box to find, and no average
    assert both.recall == 1


def test_ignored_boxes_absorb_those_of_their_class_alone():
    ground_truths = [of_classes([A], [3], np.asarray([B], np.float32), [3])]

    assert evaluate(ground_truths, [found_of((*A, 0.8, 3), (*B, 0.9, 3))]).precision == 1
    assert evaluate(ground_truths, [found_of((*A, 0.8, 3), (*B, 0.9, 7))]).precision == 0.5


def test_draws_take_all_classes_of_an_image_together():
    ground_truths = [of_classes([A, B], [3, 7])] * 6
    results = [found_of((*A, 0.9, 3))] * 6

    scores = evaluate(ground_truths, results, resamples=50)

    assert scores.ap50 == pytest.approx(0.5)
    assert scores.ap50_ci95 == pytest.approx((0.5, 0.5))  # whatever is drawn, it is the same
