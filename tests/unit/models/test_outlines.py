"""An outline is a network without the values of its weights."""

from __future__ import annotations

import keras

from edgecnn import models
from tests.unit.models.small_networks import build


def test_a_plug_ins_layer_with_a_variable_of_a_given_value_has_an_outline(monkeypatch):
    class Gain(keras.layers.Layer):
        def __init__(self, **more):
            super().__init__(**more)
            self.gain = keras.Variable(1.0)

        def call(self, inputs):
            return inputs * self.gain

    def build(input_shape=(8, 8, 1), num_classes=2):
        image = keras.Input(input_shape, name="input")
        x = keras.layers.Flatten()(Gain()(image))
        return keras.Model(image, keras.layers.Dense(num_classes)(x))

    monkeypatch.setattr(models, "_builder", lambda name: build)
    assert models.outline("theirs").count_params() == 1 + 64 * 2 + 2


def test_an_outlines_weights_never_get_values():
    outline = models.outline("lenet5")
    build("simple")  # where Keras would make up for it
    keras.layers.Lambda(lambda tensor: tensor * 2)(keras.Input((3,)))
    with keras.StatelessScope():
        pass
    assert all(weight._value is None for weight in outline.weights)
