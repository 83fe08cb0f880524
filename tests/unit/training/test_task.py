"""Settings that a training makes no use of are refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from edgecnn.errors import InputError
from edgecnn.training.classification.task import ClassificationTask
from edgecnn.training.config import DetectorTrainingConfig, TrainingConfig, config_for
from edgecnn.training.detection.task import DetectionTask
from edgecnn.training.sequences.task import SequenceTask
from edgecnn.training.task import check_config


def subject_of(unused):
    return SimpleNamespace(unused=unused, dataset=SimpleNamespace(name="made"))


def check(kind, model, **changes):
    check_config(subject_of(kind.unused), model, config_for(model, **changes), changes)


@pytest.mark.parametrize(
    ("kind", "model", "changes"),
    [
        (DetectionTask, "detector_nano", {"augment": "light"}),
        (DetectionTask, "detector_nano", {"augment": "none"}),
        (DetectionTask, "detector_nano", {"label_smoothing": 0.1}),
        (DetectionTask, "detector_nano", {"class_weights": "balanced"}),
        (DetectionTask, "detector_nano", {"mirror": True}),
        (DetectionTask, "stop_sign_nano", {"auxiliary_weight": 0.5}),
        (SequenceTask, "convs2s", {"class_weights": "balanced"}),
        (SequenceTask, "convs2s", {"mirror": False}),
    ],
)
def test_a_setting_without_effect_is_refused(kind, model, changes):
    (name,) = changes
    with pytest.raises(InputError, match=f"training of {model} on made makes no use of {name}"):
        check(kind, model, **changes)


def test_the_networks_own_value_and_other_settings_are_taken():
    check(DetectionTask, "detector_nano", augment="standard", batch_size=4)
    check(SequenceTask, "convs2s", augment="strong", label_smoothing=0.2)


@pytest.mark.parametrize("config", [TrainingConfig(), DetectorTrainingConfig()])
def test_a_whole_configuration_that_chooses_nothing_is_taken(config):
    check_config(subject_of(DetectionTask.unused), "detector_nano", config, ())
    with pytest.raises(InputError, match="no use of mirror"):
        check_config(
            subject_of(DetectionTask.unused), "detector_nano", replace(config, mirror=True), ()
        )


@pytest.mark.parametrize(
    ("model", "modality", "unused"),
    [
        ("lenet5", "image", ("auxiliary_weight",)),
        ("googlenet", "image", ()),
        ("cnn1d", "signal", ("mirror", "auxiliary_weight")),
    ],
)
def test_only_images_are_mirrored_and_only_some_networks_have_auxiliary_heads(
    digits, model, modality, unused
):
    if modality == "signal":
        hints = {"scale": 1 / 255}
        digits = replace(digits, modality="signal", sample_shape=(64, 1), preprocessing_hints=hints)
    assert ClassificationTask(model, digits).unused == unused
