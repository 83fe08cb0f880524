"""Keras models as files: archives, HDF5, halves, SavedModels, and those of Keras 2."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.errors import InputError
from tests.integration.conversion.keras_conversions import both, small

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow
layers = keras.layers


def test_content_decides_whatever_the_file_is_called(tmp_path: Path):
    small().save(tmp_path / "a.keras")
    odd = (tmp_path / "a.keras").rename(tmp_path / "a.bin")
    both(odd, tmp_path)


def test_hdf5_and_its_halves_are_taken(tmp_path: Path):
    model = small()
    model.save(tmp_path / "whole.h5")
    model.save_weights(tmp_path / "half.weights.h5")
    (tmp_path / "half.json").write_text(model.to_json())
    digits = both(tmp_path / "whole.h5", tmp_path / "1")["onnx:float32"]
    assert digits.model == "whole"
    both(tmp_path / "half.json", tmp_path / "2", weights=tmp_path / "half.weights.h5")


def test_each_half_alone_says_what_is_missing(tmp_path: Path):
    model = small()
    model.save_weights(tmp_path / "half.weights.h5")
    (tmp_path / "half.json").write_text(model.to_json())
    for half, words in (("half.weights.h5", "without an architecture"), ("half.json", "without w")):
        with pytest.raises(InputError, match=words) as caught:
            open_source(tmp_path / half)
        assert "--weights" in caught.value.hint


def test_weights_of_another_network_are_refused(tmp_path: Path):
    other = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "half.json").write_text(small().to_json())
    with pytest.raises(InputError, match="its weights are not those of small"):
        open_source(tmp_path / "half.json", OpenOptions(weights=str(tmp_path / "other.weights.h5")))


def test_an_unpacked_archive_is_taken(tmp_path: Path):
    small().save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        archive.extractall(tmp_path / "folder")
    both(tmp_path / "folder", tmp_path)


def test_a_saved_model_is_taken_by_its_signature(tmp_path: Path):
    model = keras.Sequential([keras.Input((8, 8, 3), name="picture"), layers.Rescaling(1 / 255),
                              layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])  # fmt: skip
    model.export(str(tmp_path / "saved"), format="tf_saved_model", verbose=False)
    opened = open_source(tmp_path / "saved")
    assert opened.source.proof().preset == "raw"
    made = both(tmp_path / "saved", tmp_path)
    assert made["tflite:float32"].inputs[0].name == "picture"


def test_a_saved_model_without_a_signature_or_with_links_out_is_refused(tmp_path: Path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(InputError, match="no signature 'serving_default'"):
        open_source(tmp_path / "empty")
    (tmp_path / "empty" / "assets" / "link").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="lies outside this folder"):
        open_source(tmp_path / "empty")


def test_a_graph_that_reads_files_is_not_loaded(tmp_path: Path):
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32)])
    def serve(x: Any) -> Any:
        stolen = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return {"sum": x + tf.cast(stolen, tf.float32)}

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "reads"), signatures=serve)
    with pytest.raises(InputError, match="the operator ReadFile") as caught:
        open_source(tmp_path / "reads")
    assert "--allow-unsafe" in caught.value.hint


@pytest.fixture
def keras_2() -> Any:
    return pytest.importorskip("tf_keras")


def old_model(keras_2: Any, *, functions: bool = False) -> Any:
    tensor = keras_2.Input((8, 8, 3), name="picture")
    features = keras_2.layers.DepthwiseConv2D(3, name="depthwise")(tensor)
    if functions:
        features = features * 2.0 + 1.0  # TFOpLambda, which Keras 3 does not have
    pooled = keras_2.layers.GlobalAveragePooling2D()(features)
    return keras_2.Model(tensor, keras_2.layers.Dense(3, name="scores")(pooled), name="old")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("functions", [False, True])
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_models_of_keras_2_are_taken(keras_2: Any, ending: str, functions: bool, tmp_path: Path):
    path = tmp_path / f"old.{ending}"
    old_model(keras_2, functions=functions).save(path)
    made = both(path, tmp_path)
    for manifest in made.values():
        assert manifest.inputs[0].name == "picture"
        assert manifest.outputs[0].name == "scores"


def test_a_saved_model_of_keras_2_keeps_the_order_of_its_outputs(keras_2: Any, tmp_path: Path):
    tensor = keras_2.Input((6,), name="numbers")
    outputs = [keras_2.layers.Dense(2, name="z")(tensor), keras_2.layers.Dense(3, name="a")(tensor)]
    keras_2.Model(tensor, outputs).save(tmp_path / "old", save_format="tf")
    made = both(tmp_path / "old", tmp_path)
    assert [spec.name for spec in made["onnx:float32"].outputs] == ["z", "a"]
