"""Recipes refuse nonsense, and every network has one."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.registry import MODELS, SEQUENCE_MODELS
from edgecnn.training.recipe import RECIPES, TrainingRecipe, balanced_weights, recipe_for


def test_every_network_has_a_recipe():
    assert set(RECIPES) == {
        *MODELS.builtin,
        *SEQUENCE_MODELS.builtin,
        "detector_nano",
        "detector_small",
    }


def test_changes_leave_the_rest_of_the_recipe():
    changed = recipe_for("resnet8", batch_size=7)

    assert changed.batch_size == 7
    assert changed.optimizer == RECIPES["resnet8"].optimizer


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
        TrainingRecipe(**nonsense)


def test_a_field_that_recipes_do_not_have_is_refused():
    with pytest.raises(InputError, match="no 'rate'"):
        recipe_for("lenet5", rate=1.0)


def test_balanced_classes_weigh_the_same_together():
    labels = np.asarray([0] * 90 + [1] * 10)

    weights = balanced_weights(labels, 3)

    assert weights[0] * 90 == pytest.approx(weights[1] * 10)
    assert weights[labels].mean() == pytest.approx(1.0)
    assert weights[2] == 0
