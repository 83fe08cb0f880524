"""Recipes refuse nonsense, and every network has one."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.registry import DETECTORS, MODELS, SEQUENCE_MODELS
from edgecnn.training.config import (
    CONFIGS,
    DetectorTrainingConfig,
    TrainingConfig,
    balanced_weights,
    config_for,
)


def test_every_network_has_a_recipe():
    assert set(CONFIGS) == {*MODELS.builtin, *SEQUENCE_MODELS.builtin, *DETECTORS.builtin}


def test_changes_leave_the_rest_of_the_recipe():
    changed = config_for("resnet8", batch_size=7)

    assert changed.batch_size == 7
    assert changed.optimizer == CONFIGS["resnet8"].optimizer


@pytest.mark.parametrize(
    "nonsense",
    [
        {"label_smoothing": 1.0},
        {"momentum": -0.1},
        {"weight_decay": float("nan")},
        {"gradient_clip": 0.0},
        {"warmup_epochs": float("inf")},
        {"optimizer": "adamax"},
        {"augment": "wild"},
        {"monitor": "f1"},
    ],
)
def test_nonsense_is_refused_with_what_was_received(nonsense):
    with pytest.raises(InputError, match="received"):
        TrainingConfig(**nonsense)


@pytest.mark.parametrize(
    "nonsense",
    [{"pasted": 1.2}, {"small": float("nan")}, {"views": 0}, {"negatives": 0.6, "drawn": 0.6}],
)
def test_shares_of_views_that_cannot_be_are_refused(nonsense):
    with pytest.raises(InputError, match="received"):
        DetectorTrainingConfig(**nonsense)


def test_what_is_for_detectors_is_refused_for_other_networks():
    assert config_for("detector_nano", pasted=0.2).pasted == 0.2
    with pytest.raises(InputError, match="training of lenet5 has no setting 'pasted'"):
        config_for("lenet5", pasted=0.2)


def test_a_field_that_trainings_do_not_have_is_refused():
    with pytest.raises(InputError, match="no setting 'rate'"):
        config_for("lenet5", rate=1.0)


def test_balanced_classes_weigh_the_same_together():
    labels = np.asarray([0] * 90 + [1] * 10)

    weights = balanced_weights(labels, 3)

    assert weights[0] * 90 == pytest.approx(weights[1] * 10)
    assert weights[labels].mean() == pytest.approx(1.0)
    assert weights[2] == 0
