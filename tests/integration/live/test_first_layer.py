"""The first layer's filters are the same whichever file they are read from."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.vision.evidence.first_layer import edge_strength, read_first_layer


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    import edgecnn
    from edgecnn.keras_files import import_keras

    keras = import_keras()
    image = keras.Input((32, 32, 3), name="input")
    x = keras.layers.Conv2D(6, 3, 2, padding="same", name="first")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(x))
    folder = tmp_path_factory.mktemp("first")
    model.save(folder / "net.keras")
    made = [
        edgecnn.convert(folder / "net.keras", target, out=folder).path
        for target in ("tflite:float32", "onnx:float32")
    ]
    return model.get_layer("first").get_weights()[0], [folder / "net.keras", *made]


def test_every_format_tells_the_same_filters_and_stride(files):
    kernel, paths = files
    for path in paths:
        found = read_first_layer(path)
        assert found is not None, path.name
        assert found[0] == pytest.approx(kernel, abs=1e-6), path.name
        assert found[1] == 2, path.name


def test_a_network_over_one_channel_has_no_filters_to_lay_over_an_image(tmp_path):
    from edgecnn.keras_files import import_keras

    keras = import_keras()
    image = keras.Input((8, 8, 1))
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save(tmp_path / "gray.keras")
    assert read_first_layer(tmp_path / "gray.keras") is None


def test_edges_answer_to_change_and_not_to_brightness():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float32)
    image = np.full((20, 30, 3), 0.3, np.float32)
    assert edge_strength(image, kernel, 1).max() == pytest.approx(0, abs=1e-5)
    image[:, 15:] = 0.9
    strength = edge_strength(image, kernel, 1)
    assert strength.shape == (20, 30)
    assert set(strength.argmax(axis=1)) <= {14, 15}
