"""What takes the steps is what the configuration says, in every precision."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.training.config import TrainingConfig
from edgecnn.training.network import optimizer_for

keras = pytest.importorskip("keras", reason="keras is not installed")


def network(policy="float32"):
    given = keras.Input((4,))
    hidden = keras.layers.Dense(3, activation="relu", dtype=policy)(given)
    return keras.Model(given, keras.layers.Dense(2, activation="softmax")(hidden))


def optimizer(model, **changes):
    return optimizer_for(model, TrainingConfig(**changes), epochs=1, steps_per_epoch=10)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_every_optimizer_goes_without_weight_decay(name):
    assert not optimizer(network(), optimizer=name, weight_decay=0.0).weight_decay


def test_in_float16_the_loss_is_scaled_though_the_last_layers_are_float32():
    model = network("mixed_float16")
    model.compile(optimizer(model, mixed_precision="float16"), loss="mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert float(model.optimizer.scale_loss(1.0)) > 1


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_all_variables_are_there_before_the_first_step(precision):
    """What a checkpoint is restored into, of a network that was built in the precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        model = network(None)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(optimizer(model, mixed_precision=precision), loss="mse")
    made = len(model.optimizer.variables)
    model.train_on_batch(np.zeros((1, 4)), np.zeros((1, 2)))
    assert len(model.optimizer.variables) == made


def test_only_float16_needs_it():
    taken = optimizer(network(), mixed_precision="bfloat16")
    assert not isinstance(taken, keras.optimizers.LossScaleOptimizer)
