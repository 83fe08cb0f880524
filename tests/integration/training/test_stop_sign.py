"""Training a detector goes on where it was cut off, and can learn at all."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn import models
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.registry import DETECTORS
from edgecnn.training.box_augmentation import View
from edgecnn.training.detection_data import Mix, Pool, render
from edgecnn.training.detection_loss import detection_loss, targets
from edgecnn.training.stop_sign import Schedule, Sources, Stage, fit, save

pytest.importorskip("cv2", reason="scenes are drawn with opencv-python")


@pytest.fixture(scope="module")
def pool():
    scenes = list(SyntheticScenes(seed=1, number=12, height=128, width=128))
    return Pool([], [], scenes)


@pytest.fixture(scope="module")
def schedule():
    stages = (Stage(2, 64, 4, whole=False), Stage(1, 128, 2, whole=True))
    return Schedule("stop_sign_nano", 128, stages, pictures_per_epoch=8, warmup=2)


@pytest.fixture
def tiny_network(monkeypatch):
    """A network of two layers in place of the detector's 70, which take long to compile: what
    is tested is the order of events, not what is learnt.
    """

    def build(name, *, seed, input_shape):
        import keras
        from keras import layers

        keras.utils.set_random_seed(seed)
        picture = keras.Input(input_shape)
        x = layers.Conv2D(4, 8, 8, activation="relu")(picture)
        x = layers.BatchNormalization()(x)
        return keras.Model(picture, [layers.Conv2D(1, 1)(x), layers.Conv2D(4, 1)(x)], name=name)

    monkeypatch.setattr("edgecnn.training.stop_sign.build", build)


class Killed(Exception):  # noqa: N818
    pass


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_cut_off_ends_as_if_it_had_not_been(pool, schedule, tmp_path, epoch):
    def kill(stage, done, total, message=""):
        if done == epoch:
            raise Killed

    whole = fit(pool, schedule, tmp_path / "whole.npz")
    with pytest.raises(Killed):
        fit(pool, schedule, tmp_path / "cut.npz", progress=kill)
    resumed = fit(pool, schedule, tmp_path / "cut.npz")

    assert resumed.input_shape == (None, 128, 128, 3)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


@pytest.mark.usefixtures("tiny_network")
def test_a_finished_training_is_not_trained_further(pool, schedule, tmp_path):
    fit(pool, schedule, tmp_path / "done.npz")
    epochs = []

    again = fit(pool, schedule, tmp_path / "done.npz", progress=lambda *call: epochs.append(call))

    assert epochs == []
    assert again.input_shape == (None, 128, 128, 3)


def test_the_learning_rate_warms_up_and_ends_near_nothing(schedule):
    rates = [schedule.rate(step) for step in range(schedule.total_steps + 1)]

    assert rates[0] == pytest.approx(schedule.learning_rate / 2)
    assert max(rates) == pytest.approx(schedule.learning_rate)
    assert rates[-1] == pytest.approx(schedule.learning_rate * schedule.final_share)


def test_batches_are_what_the_network_takes_and_answers(pool):
    pictures, wanted = pool.batch(View(64, 128), Mix(), 3, [0, 0])
    net = models.build("stop_sign_nano", input_shape=(64, 64, 3))
    heat, box = net(pictures)

    assert pictures.shape == (3, 64, 64, 3)
    assert 0 <= pictures.min() <= pictures.max() <= 1
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


@pytest.mark.slow
def test_it_learns_what_it_is_shown(tmp_path):
    """Shown eight scenes over and over, the loss of an epoch falls by a quarter."""
    scenes = list(SyntheticScenes(seed=2, number=8, height=96, width=96))
    pool = Pool([], [], scenes)
    stages = (Stage(16, 64, 8, whole=False),)
    schedule = Schedule("stop_sign_nano", 96, stages, pictures_per_epoch=80, warmup=5)
    losses = []

    fit(
        pool,
        schedule,
        tmp_path / "m.npz",
        progress=lambda stage, done, total, message="": losses.append(float(message.split()[1])),
    )

    assert losses[-1] < 0.75 * losses[0]


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


def test_the_saved_file_has_a_manifest_that_says_how_pictures_enter(pool, schedule, tmp_path):
    net = models.build("stop_sign_nano", input_shape=(128, 128, 3))

    artifact = save(net, schedule, Sources((), ()), tmp_path / "m.keras")

    assert artifact.manifest.task == "detection"
    assert artifact.manifest.preprocessing == LetterboxPreprocessing(128, 128, 3)
    assert load_keras(artifact.path).count_params() == net.count_params()


def test_rendered_scenes_are_those_drawn_and_are_drawn_once(tmp_path):
    scenes = SyntheticScenes(seed=9, number=5, height=64, width=80)
    rendered = render(tmp_path, scenes, processes=1)
    calls = []
    again = render(tmp_path, scenes, progress=lambda *call: calls.append(call))

    assert calls == []
    assert len(again) == 5
    for index in range(5):
        np.testing.assert_array_equal(rendered[index].picture, scenes[index].picture)
        np.testing.assert_allclose(again[index].boxes, scenes[index].boxes)
