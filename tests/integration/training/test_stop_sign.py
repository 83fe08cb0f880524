"""What a detector learns from: batches, targets and the loss; and how large it is."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn import models
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.errors import InputError
from edgecnn.registry import DETECTORS
from edgecnn.training.detection.augmentation import View
from edgecnn.training.detection.data import SamplingShares, TrainingImages
from edgecnn.training.detection.loss import detection_loss, targets

pytest.importorskip("cv2", reason="scenes are drawn with opencv-python")


@pytest.fixture(scope="module")
def pool():
    scenes = list(SyntheticScenes(seed=1, number=12, height=128, width=128))
    return TrainingImages([], [], scenes)


def test_batches_are_what_the_network_takes_and_answers(pool):
    images, wanted = pool.batch(View(64, 128), SamplingShares(), 3, [0, 0])
    net = models.build("stop_sign_nano", input_shape=(64, 64, 3))
    heat, box = net(images)

    assert images.shape == (3, 64, 64, 3)
    assert 0 <= images.min() <= images.max() <= 1
    assert wanted.shape == (3, 8, 8, 6)
    assert heat.shape == (3, 8, 8, 1)
    assert box.shape == (3, 8, 8, 4)


def test_the_loss_is_least_where_the_boxes_are_right():
    target = np.zeros((1, 4, 4, 6), np.float32)
    target[..., 1] = 1
    target[0, 1, 2] = (1, 0, 1.0, 2.0, 0.5, 1.5)
    right = np.full((1, 4, 4, 5), -8.0, np.float32)
    right[0, 1, 2] = (8, 1.0, 2.0, 0.5, 1.5)

    def loss(change):
        outputs = right.copy()
        outputs[0, 1, 2] += change
        return float(detection_loss(target, outputs))

    best = loss((0, 0, 0, 0, 0))
    assert best < 0.01
    assert loss((0, 0.3, 0, 0, 0)) > best + 0.05
    assert loss((-10, 0, 0, 0, 0)) > best + 1
    false_alarm = right.copy()
    false_alarm[0, 3, 0, 0] = 4
    assert float(detection_loss(target, false_alarm)) > best + 1


def test_a_cell_is_a_positive_of_the_class_of_the_smallest_box_that_claims_it():
    """A box of class 2 inside of one of class 0, and one of class 1 far away."""
    boxes = np.asarray([[8, 8, 72, 72], [28, 28, 52, 52], [96, 96, 120, 120]], np.float32)
    none = np.zeros((0, 4), np.float32)
    target = targets(boxes, none, 128, class_ids=np.asarray([0, 2, 1]), num_classes=3)
    positive, negative, sides = np.split(target, [3, 6], axis=2)
    assert target.shape == (16, 16, 10)
    assert (positive > 0).sum(axis=2).max() == 1
    assert positive[4, 4].argmax() == 2  # the middle of both
    assert positive[13, 13].argmax() == 1
    assert negative[13, 13].tolist() == [1, 0, 1]
    left = 2.0 ** sides[4, 4, 0] * 8
    assert left == pytest.approx(4.5 * 8 - 28)


def test_the_loss_of_several_classes_is_least_for_the_right_one():
    boxes = np.asarray([[24, 24, 56, 56]], np.float32)
    none = np.zeros((0, 4), np.float32)
    target = targets(boxes, none, 64, class_ids=np.asarray([1]), num_classes=3)[None]
    outputs = np.full((1, 8, 8, 7), -6, np.float32)
    outputs[..., 3:] = target[..., 6:]
    losses = []
    for kind in range(3):
        answered = outputs.copy()
        answered[..., kind][target[..., 1] > 0] = 6
        losses.append(float(detection_loss(target, answered)))
    assert np.argmin(losses) == 1
    assert losses[1] < 0.1 * min(losses[0], losses[2])


@pytest.mark.parametrize("name", DETECTORS.names())
def test_detectors_have_the_size_they_promise_and_refuse_other_inputs(name):
    net = models.build(name)
    least, most = {"nano": (80e3, 120e3), "small": (300e3, 500e3)}[name.rpartition("_")[2]]

    assert least <= net.count_params() <= most
    assert net.input_shape == (None, *models.default_input_shape(name))
    for shape in [(100, 64, 3), (64, 64, 1), (64, 64), (0, 64, 3), (4096, 64, 3)]:
        with pytest.raises(InputError, match="multiples of 64"):
            models.build(name, input_shape=shape)
