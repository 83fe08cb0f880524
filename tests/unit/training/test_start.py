"""Weights to start from fit, layer by layer, or are refused in a line."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.preprocessing import ImagePreprocessing, TextPreprocessing
from edgecnn.training.start import Start, read_start

keras = pytest.importorskip("keras", reason="keras is not installed")


def network(classes=1, width=4, *, more=False, prefix=""):
    layers = keras.layers
    given = keras.Input((8, 8, 3))
    x = layers.Conv2D(width, 3, name=f"{prefix}first")(given)
    if more:
        x = layers.Conv2D(width, 1, name="extra")(x)
    return keras.Model(given, layers.Conv2D(classes, 1, name=f"{prefix}heat")(x), name="small_net")


def start_of(model):
    layers = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    return Start("old.keras", "0" * 64, layers)


def test_all_weights_are_taken_where_the_networks_are_equal():
    old, new = network(), network()
    assert start_of(old).give(new) == ()
    for one, other in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_names_that_keras_made_up_do_not_matter():
    old, new = network(prefix="other_"), network()
    assert start_of(old).give(new) == ()
    np.testing.assert_array_equal(old.get_weights()[0], new.get_weights()[0])


def test_the_head_for_other_classes_starts_fresh_and_the_rest_does_not():
    old, new = network(), network(classes=3)
    before = new.get_layer("heat").get_weights()[0]
    assert start_of(old).give(new, fresh=("heat",)) == ("heat",)
    np.testing.assert_array_equal(old.get_weights()[0], new.get_weights()[0])
    np.testing.assert_array_equal(new.get_layer("heat").get_weights()[0], before)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"width": 6}, r"layer first is 3×3×3×6 and 6, expected 3×3×3×4 and 4"),
        ({"more": True}, "they have a layer extra"),
        ({"classes": 3}, "layer heat is"),
    ],
)
def test_weights_of_another_network_are_refused_with_the_layer_that_differs(other, why):
    with pytest.raises(InputError, match=why) as refused:
        start_of(network(**other)).give(network())
    assert "old.keras are not of the network small_net" in refused.value.message
    assert refused.value.hint


def with_auxiliary_heads():
    """The network, and two layers more while it is trained."""
    model = network()
    x = keras.layers.Conv2D(2, 1, name="auxiliary_a_conv")(model.get_layer("first").output)
    auxiliary = keras.layers.Dense(2, name="auxiliary_a")(keras.layers.Flatten()(x))
    return keras.Model(model.input, [model.output, auxiliary], name="small_net")


def test_auxiliary_heads_start_fresh_as_a_trained_network_left_them_behind():
    old, new = network(classes=3), with_auxiliary_heads()
    taken = start_of(old).give(new, fresh=("heat", "auxiliary_a"))
    assert set(taken) == {"auxiliary_a_conv", "auxiliary_a", "heat"}
    np.testing.assert_array_equal(
        old.get_layer("first").get_weights()[0], new.get_layer("first").get_weights()[0]
    )


def test_auxiliary_heads_that_are_there_are_taken():
    old, new = with_auxiliary_heads(), with_auxiliary_heads()
    assert start_of(old).give(new) == ()
    for one, other in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_for_another_vocabulary_are_refused():
    learned = TextPreprocessing(8, ("good", "bad"))
    start = Start("old.keras", "0" * 64, {}, learned)
    start.check_vocabulary(TextPreprocessing(16, ("good", "bad")))
    with pytest.raises(InputError, match=r"old\.keras know another vocabulary"):
        start.check_vocabulary(TextPreprocessing(8, ("bad", "good")))


def test_weights_without_a_vocabulary_are_not_asked_for_one():
    Start("old.keras", "0" * 64, {}).check_vocabulary(TextPreprocessing(8, ("good",)))
    images = ImagePreprocessing(8, 8, 3)
    Start("old.keras", "0" * 64, {}, images).check_vocabulary(ImagePreprocessing(9, 9, 3))


def test_what_a_file_of_weights_is_fed_comes_with_it():
    assert read_start("stop_sign_nano").preprocessing.kind == "letterbox"


@pytest.mark.parametrize(("name", "channels"), [("stop_sign_small", 32), ("stop_sign_nano", 20)])
def test_a_shipped_detector_is_known_by_its_name(name, channels):
    start = read_start(name)
    assert start.layers["heat"][0].shape == (1, 1, channels, 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("stop_sing_small", "unknown weights"),
        ("model.tflite", "are a .keras file, received"),
        ("nowhere.keras", "no such file"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(name, why):
    with pytest.raises(InputError, match=why):
        read_start(name)


def test_a_damaged_file_of_weights_is_refused(tmp_path):
    path = tmp_path / "half.keras"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError):
        read_start(path)


def test_layers_that_the_network_did_not_always_have_start_fresh():
    old, new = network(), network(more=True)
    before = new.get_layer("extra").get_weights()
    assert start_of(old).give(new, fresh=("heat", "ext")) == ("extra",)
    np.testing.assert_array_equal(old.get_weights()[0], new.get_weights()[0])
    np.testing.assert_array_equal(new.get_layer("extra").get_weights()[0], before[0])
