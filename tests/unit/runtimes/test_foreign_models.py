"""Models as other tools write them: measured where a runtime runs them, else named for what they
hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecnn
from edgecnn.errors import InputError, UnsupportedError
from tests.unit.formats.small_models import node, value, write_onnx

ONNX_RUNTIMES = ("onnxruntime:cpu", "openvino:cpu", "opencv:cpu")


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A classifier as scikit-learn's converter writes it: a label and a list of dictionaries."""
    import onnx
    from onnx import TensorProto, helper

    labels = ["go", "stop", "yield"]
    linear = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        coefficients=[float(number) for number in range(12)],
        intercepts=[0.0, 1.0, 2.0],
        classlabels_strings=labels,
        post_transform="SOFTMAX",
    )
    zipped = helper.make_node(
        "ZipMap", ["scores"], ["probabilities"], domain="ai.onnx.ml", classlabels_strings=labels
    )
    float_map = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    graph = helper.make_graph(
        [linear, zipped],
        "g",
        [value("x", [None, 4])],
        [
            value("label", [None], TensorProto.STRING),
            helper.make_value_info("probabilities", helper.make_sequence_type_proto(float_map)),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    path = tmp_path / "classifier.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_a_list_of_dictionaries_is_measured_as_a_tensor(classifier: Path):
    session = edgecnn.load(classifier, runtime="onnxruntime:cpu", batch=2)
    rows = np.eye(2, 4, dtype=np.float32)
    (probabilities,) = session.run([rows])
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert [spec.name for spec in session.outputs] == ["probabilities"]
    assert session.effective.details["outputs_left_out"] == ["label (tensor(string))"]


@pytest.mark.parametrize("runtime", ["openvino:cpu", "opencv:cpu"])
def test_elsewhere_the_operator_of_such_an_output_is_named(classifier: Path, runtime: str):
    with pytest.raises(UnsupportedError, match="made by ZipMap") as caught:
        edgecnn.load(classifier, runtime=runtime)
    assert "'label'" in caught.value.message
    assert "input" not in caught.value.message


def _with_versions(path: Path, *, ir: int, opset: int) -> Path:
    import onnx
    from onnx import helper

    graph = helper.make_graph([node("Relu", ["x"], ["y"])], "g", [value("x")], [value("y", (1, 4))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir
    path.write_bytes(model.SerializeToString())
    assert onnx.load(path).opset_import[0].version == opset
    return path


@pytest.mark.parametrize(("ir", "opset"), [(8, 999), (999, 17), (999, 999)])
def test_versions_of_file_and_runtime_are_both_named(ir: int, opset: int, tmp_path: Path):
    path = _with_versions(tmp_path / "m.onnx", ir=ir, opset=opset)
    with pytest.raises(UnsupportedError) as caught:
        edgecnn.load(path, runtime="onnxruntime:cpu")
    message = caught.value.message
    assert f"the file has IR {ir}, opset {opset}" in message
    assert "reads up to IR 1" in message
    assert "lower, or install a newer onnxruntime" in caught.value.hint


@pytest.mark.parametrize("runtime", ONNX_RUNTIMES)
def test_an_operator_that_nobody_knows_is_named(runtime: str, tmp_path: Path):
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Unheard", ["x"], ["y"], domain="own")],
        outputs=[value("y", (1, 4))],
    )
    with pytest.raises(UnsupportedError, match="Unheard"):
        edgecnn.load(path, runtime=runtime)


def test_a_long_name_does_not_push_the_operator_out_of_the_message(tmp_path: Path):
    name = "/".join(f"block_{number}" for number in range(60))
    path = write_onnx(
        tmp_path / "m.onnx",
        [node("Unheard", ["x"], ["y"], domain="own", name=name)],
        outputs=[value("y", (1, 4))],
    )
    for runtime in ONNX_RUNTIMES:
        with pytest.raises(UnsupportedError, match="Unheard"):
            edgecnn.load(path, runtime=runtime)


@pytest.fixture(scope="module")
def open_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network that takes images of any size, in three formats."""
    import keras
    import tensorflow as tf
    import tf2onnx

    folder = tmp_path_factory.mktemp("open")
    model = keras.Sequential(
        [
            keras.Input((None, None, 3), name="picture"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    model.save(folder / "open.keras")
    (folder / "open.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    signature = [tf.TensorSpec((1, None, None, 3), tf.float32, name="picture")]
    tf2onnx.convert.from_function(
        tf.function(model.call, input_signature=signature),
        input_signature=signature,
        output_path=str(folder / "open.onnx"),
    )
    return {path.suffix[1:]: path for path in folder.iterdir()}


OPEN = [
    ("tflite", "litert:cpu"),
    ("tflite", "openvino:cpu"),
    ("onnx", "onnxruntime:cpu"),
    ("onnx", "openvino:cpu"),
    ("onnx", "opencv:cpu"),
    ("keras", "keras:cpu"),
]


@pytest.mark.parametrize(("kind", "runtime"), OPEN)
def test_open_sizes_are_asked_for_and_never_guessed(
    open_files: dict[str, Path], kind: str, runtime: str
):
    with pytest.raises(InputError, match="needs a size") as caught:
        edgecnn.load(open_files[kind], runtime=runtime)
    assert "--shape" in caught.value.hint
    assert "224x224x3" in caught.value.hint


@pytest.mark.parametrize(("kind", "runtime"), OPEN)
def test_open_sizes_are_taken_from_the_shape(open_files: dict[str, Path], kind: str, runtime: str):
    session = edgecnn.load(open_files[kind], runtime=runtime, shape="1x20x24x3")
    assert session.inputs[0].shape == (1, 20, 24, 3)
    image = np.random.default_rng(0).random((1, 20, 24, 3), np.float32)
    (found,) = session.run([image])
    expected = _by_keras(open_files["keras"], image)
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.01)


def _by_keras(path: Path, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import keras

    return np.asarray(keras.models.load_model(path)(image))
