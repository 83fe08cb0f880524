"""Where the time goes, told by three runtimes about small models."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.passes import Context, make
from edgecnn.benchmarking.protocol import PROFILES
from edgecnn.errors import UnsupportedError
from edgecnn.registry import RUNTIMES
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.base import OperatorTime, operator_times
from edgecnn.runtimes.litert import operator_times as litert_profile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A heavy convolution, a pooling, and a light dense layer; an open batch."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(size=(32, 3, 5, 5)), "d": rng.normal(size=(10, 32))}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"], "convolution", pads=[2, 2, 2, 2]),
         helper.make_node("Relu", ["c"], ["r"]),
         helper.make_node("GlobalAveragePool", ["r"], ["p"]),
         helper.make_node("Flatten", ["p"], ["f"]),
         helper.make_node("Gemm", ["f", "d"], ["y"], "dense", transB=1)],
        "small",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3, 64, 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 10])],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name)
         for name, array in constants.items()],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("ops") / "small.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


@pytest.fixture(scope="module")
def tflite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs, an open batch; the convolution is heavier than all the rest."""
    pytest.importorskip("ai_edge_litert")
    path = tmp_path_factory.mktemp("ops") / "small.tflite"
    # In a process of its own: TensorFlow warns and stays.
    program = f"""
import keras, tensorflow as tf
from keras import layers
image, extra = keras.Input((48, 48, 3), name="picture"), keras.Input((4,), name="extra")
x = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 5)(image))
model = keras.Model([image, extra], layers.Dense(5)(layers.Concatenate()([x, extra])))
function = tf.function(
    lambda image, extra: model([image, extra]),
    input_signature=[tf.TensorSpec((None, 48, 48, 3), name="picture"),
                     tf.TensorSpec((None, 4), name="extra")])
converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [function.get_concrete_function()], model)
open({str(path)!r}, "wb").write(converter.convert())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"TensorFlow is not here to convert: {done.stderr[-200:]}")
    return path


def check(operators: Sequence[OperatorTime], costliest: str) -> None:
    assert sum(operator.share for operator in operators) == pytest.approx(1)
    assert [o.share for o in operators] == sorted((o.share for o in operators), reverse=True)
    assert len({(o.name, o.type, o.provider) for o in operators}) == len(operators)
    assert costliest in operators[0].type.lower()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_convolution_is_found_to_be_the_costliest(runtime: str, batch: int, onnx_file: Path):
    pytest.importorskip(runtime)
    tensors = [
        [np.ones((batch, 3, 64, 64), np.float32)],
        [np.zeros((batch, 3, 64, 64), np.float32)],
    ]
    options = RuntimeOptions(batch=batch)
    operators = RUNTIMES.load(runtime).profile(onnx_file, "cpu", options, tensors, 20)
    check(operators, "conv")
    assert all(operator.provider for operator in operators)


def test_openvinos_first_inference_does_not_count(onnx_file: Path):
    # Its counters tell the mean since compilation: 4 ms of kernel generation in a dense layer.
    pytest.importorskip("openvino")
    tensors = [[np.ones((1, 3, 64, 64), np.float32)]]
    operators = RUNTIMES.load("openvino").profile(onnx_file, "cpu", RuntimeOptions(), tensors, 20)
    dense = [operator for operator in operators if operator.type == "FullyConnected"]
    assert sum(operator.share for operator in dense) < 0.2


@pytest.mark.parametrize("batch", [1, 3])
def test_litert_tells_through_its_c_interface(batch: int, tflite_file: Path):
    from edgecnn.formats.check import read_signature

    inputs = read_signature(tflite_file).inputs
    tensors = [[np.ones((batch, *spec.shape[1:]), np.float32) for spec in inputs]]
    options = RuntimeOptions(batch=batch)
    operators = RUNTIMES.load("litert").profile(tflite_file, "cpu", options, tensors, 20)
    check(operators, "conv")


def test_a_litert_without_a_profiler_is_unsupported(tmp_path: Path):
    with pytest.raises(UnsupportedError, match=r"libLiteRt\.so"):
        litert_profile.profile(tmp_path, tmp_path / "m.tflite", RuntimeOptions(), [], 1)


def test_another_library_is_an_answer_and_no_crash(tflite_file: Path, tmp_path: Path):
    (tmp_path / "libLiteRt.so").write_bytes(b"not a library")
    inputs = [np.ones((1, 48, 48, 3), np.float32), np.ones((1, 4), np.float32)]
    with pytest.raises(UnsupportedError, match="profiler failed"):
        litert_profile.profile(tmp_path, tflite_file, RuntimeOptions(), [inputs], 1)


def context(runtime: str, path: Path) -> Context:
    session = RUNTIMES.load(runtime).load(path, "cpu", RuntimeOptions())
    tensors = [[np.ones((1, 3, 64, 64), np.float32)]]
    return Context(
        session,
        [session.bind(inputs) for inputs in tensors],
        [],
        RuntimeOptions(),
        PROFILES["quick"],
        path,
        runtime=runtime,
        device="cpu",
        tensors=tensors,
    )


def test_the_pass_lists_operators_and_their_sum(onnx_file: Path):
    found = make("ops", context("onnxruntime", onnx_file))
    assert found["inferences"] == 50
    assert found["not_listed"] == {"count": 0, "share": 0}
    assert found["total_ns"] == sum(entry["median_ns"] for entry in found["operators"])
    assert found["operators"][0]["type"] == "Conv"


def test_a_runtime_that_tells_nothing_is_an_error_in_the_answer(model_file: Path):
    from types import SimpleNamespace

    silent = SimpleNamespace(
        runtime="tflite-runtime", device="cpu", path=model_file, options=RuntimeOptions(),
        tensors=[], invocations=[lambda: None],
    )  # fmt: skip
    found = make("ops", silent)
    assert "tflite-runtime:cpu does not report" in found["error"]


def test_an_interruption_does_not_make_its_victim_costly():
    steady = [("dense", "Gemm", None, 1_000)] * 20 + [("convolution", "Conv", None, 9_000)] * 20
    interrupted = [*steady[1:], ("dense", "Gemm", None, 5_000_000)]
    for executed in (steady, interrupted):
        (first, second) = operator_times(executed)
        assert (first.name, first.share) == ("convolution", pytest.approx(0.9))
        assert (second.median_ns, second.share) == (1_000, pytest.approx(0.1))
