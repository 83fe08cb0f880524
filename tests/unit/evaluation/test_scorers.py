"""Every task is scored through one door; a detector's maps become COCO's averages there."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.detection.answer import decode_outputs
from edgecnn.detection.heads import open_head
from edgecnn.detection.heads.heat_map import STRIDE
from edgecnn.errors import InputError
from edgecnn.evaluation.detection import GroundTruth
from edgecnn.evaluation.tasks import ScoringContext, open_scorer
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.registry import TASKS

SIDE = 96
CELLS = SIDE // STRIDE
NONE = np.zeros((0, 4), np.float32)


def context(ground_truth, min_score=0.5):
    return ScoringContext(
        ground_truth, ("stop sign",), LetterboxPreprocessing(SIDE, SIDE, 3), min_score
    )


def maps(*images):
    """Outputs that put a box of 4 × 4 strides around one cell of each image (None: nothing)."""
    heat = np.full((len(images), CELLS, CELLS, 1), -9.0, np.float32)
    box = np.full((len(images), CELLS, CELLS, 4), np.log2(2.0), np.float32)
    for index, cell in enumerate(images):
        if cell is not None:
            heat[index, cell[0], cell[1], 0] = 3.0
    return heat, box


def around(row, column, ratio=1.0):
    """The box that `maps` puts around a cell, in an image larger by `ratio`."""
    x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
    reach = 2 * STRIDE
    return np.asarray([[x - reach, y - reach, x + reach, y + reach]], np.float32) * ratio


@pytest.fixture(autouse=True)
def library():
    pytest.importorskip("faster_coco_eval", reason="AP is computed by faster-coco-eval")


TRUTH = (
    GroundTruth(around(5, 5), NONE, SIDE, SIDE),
    GroundTruth(around(4, 6, 2.0), NONE, 2 * SIDE, 2 * SIDE),  # an image of twice the size
    GroundTruth(NONE, NONE, SIDE, SIDE),
    GroundTruth(NONE, NONE, SIDE, SIDE),
)


def test_maps_that_fit_score_one_in_the_images_own_pixels():
    accuracy = open_scorer("detection", context(TRUTH)).accuracy(maps((5, 5), (4, 6), None, None))

    assert (accuracy.metric, accuracy.n) == ("AP50-95", 4)
    assert accuracy.value == pytest.approx(1)
    assert accuracy.further["ap50"] == pytest.approx(1)
    assert accuracy.further["false_alarms_per_100"] == 0
    assert accuracy.further["signs"] == 2


def test_false_alarms_and_misses_are_at_the_models_own_threshold():
    outputs = maps((5, 5), None, (2, 2), None)
    loose = open_scorer("detection", context(TRUTH, 0.5)).accuracy(outputs).further
    strict = open_scorer("detection", context(TRUTH, 0.99)).accuracy(outputs).further

    assert (loose["recall"], loose["false_alarms_per_100"]) == (0.5, 50)
    assert (strict["recall"], strict["false_alarms_per_100"]) == (0, 0)


CLASSES = Postprocessing("yolov8", ("car", "truck"))
UNSURE = np.zeros((1, 6, 144 + 36 + 9), np.float32)
UNSURE[0, :, 20] = 48, 48, 40, 40, 0.6, 0.5  # one box: a car, and a little less a truck


def accuracy_of_unsure(class_id):
    ground_truth = GroundTruth(
        np.asarray([[28, 28, 68, 68]], np.float32), NONE, SIDE, SIDE, class_id
    )
    asked = ScoringContext(
        [ground_truth],
        CLASSES.class_names,
        LetterboxPreprocessing(SIDE, SIDE, 3),
        0.25,
        class_ids=(0, 1),
        postprocessing=CLASSES,
    )
    return open_scorer("detection", asked).accuracy([UNSURE])


def test_at_the_threshold_a_box_is_of_its_best_class_as_the_detector_shows_it():
    place = LetterboxPreprocessing(SIDE, SIDE, 3).place(SIDE, SIDE)
    shown = decode_outputs(
        [UNSURE], (SIDE, SIDE), place, (SIDE, SIDE), min_score=0.25, head=open_head(CLASSES)
    )
    assert shown.class_ids.tolist() == [0]

    cars = accuracy_of_unsure(np.asarray([0]))

    assert (cars.further["precision"], cars.further["recall"]) == (1, 1)
    assert cars.value == pytest.approx(1)


def test_for_averages_a_box_stands_for_each_of_its_classes():
    trucks = accuracy_of_unsure(np.asarray([1]))

    assert trucks.value == pytest.approx(1)
    assert trucks.further["recall"] == 0


def test_order_and_layout_of_the_outputs_do_not_matter():
    scorer = open_scorer("detection", context(TRUTH))
    heat, box = maps((5, 5), None, (2, 2), None)
    shuffled = [box.transpose(0, 3, 1, 2), heat.transpose(0, 3, 1, 2)]

    assert scorer.accepts(shuffled)
    assert scorer.accuracy(shuffled) == scorer.accuracy([heat, box])


def test_the_interval_holds_the_value_and_is_the_same_each_time():
    scorer = open_scorer("detection", context(TRUTH * 5))
    outputs = maps(*[(5, 5), None, (2, 2), None] * 5)

    first, second = (scorer.accuracy(outputs) for _ in range(2))

    assert first == second
    low, high = first.ci95
    assert 0 <= low < first.value < high <= 1


def test_the_interval_narrows_with_more_images():
    def width(times):
        outputs = maps(*[(5, 5), None, (2, 2), None] * times)
        low, high = open_scorer("detection", context(TRUTH * times)).accuracy(outputs).ci95
        return high - low

    assert width(40) < 0.6 * width(8)


def test_the_parents_average_stands_beside():
    scorer = open_scorer("detection", context(TRUTH))
    ours, parents = maps((5, 5), None, None, None), maps((5, 5), (4, 6), None, None)

    both = scorer.with_parent(scorer.accuracy(ours), ours, parents)

    assert both.parent_value == pytest.approx(1)
    assert both.value == pytest.approx(0.5, abs=0.02)


def test_class_scores_are_not_boxes():
    assert not open_scorer("detection", context(TRUTH)).accepts([np.zeros((4, 10), np.float32)])


def test_boxes_need_a_way_back_to_their_images():
    with pytest.raises(InputError, match="no way back") as refused:
        open_scorer("detection", ScoringContext(TRUTH, ("stop sign",)))
    assert "letterbox" in refused.value.hint


def test_labels_are_scored_as_top1_with_mcnemars_test():
    scorer = open_scorer("classification", ScoringContext(np.asarray([0, 1, 1, 0]), ("a", "b")))
    ours = [np.asarray([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])]
    parents = [np.asarray([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])]

    accuracy = scorer.with_parent(scorer.accuracy(ours), ours, parents)

    assert (accuracy.metric, accuracy.value, accuracy.parent_value) == ("top1", 0.75, 1.0)
    assert accuracy.mcnemar_p is not None


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(InputError, match="unknown task") as raised:
        open_scorer("segmentation", ScoringContext((), ()))
    assert all(name in str(raised.value.hint) for name in TASKS.names())
