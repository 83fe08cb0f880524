"""OpenVINO: bfloat16 that calls itself float32, and a fusion that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.runtimes.host import adds_int8_in_16_bits

if TYPE_CHECKING:
    from tests.integration.runtimes.conftest import Zoo


@pytest.fixture(scope="module")
def has_bfloat16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_bfloat16_is_told_where_float32_was_given(zoo: Zoo, has_bfloat16: bool) -> None:
    effective = runtimes.load(zoo.path("onnx", "float32"), "openvino:cpu").effective
    assert effective.precision == ("bfloat16" if has_bfloat16 else "float32")


def test_strict_float32_is_float32_in_every_compute_layer(zoo: Zoo) -> None:
    path = zoo.path("onnx", "float32")
    effective = runtimes.load(path, "openvino:cpu", precision="strict_float32").effective
    assert set(effective.details["compute_ops_by_precision"]) == {"float32"}


def test_static_int8_computes_in_int8(zoo: Zoo) -> None:
    effective = runtimes.load(zoo.path("onnx", "static_int8"), "openvino:cpu").effective
    # Where OpenVINO 2026.4.1 cannot mix int8 with bfloat16 (AMX), its convolutions get float data.
    no_bfloat16 = "bfloat16" in effective.details
    assert effective.precision == ("dynamic_int8" if no_bfloat16 else "int8")
    assert "int8" in effective.details["compute_ops_by_precision"]


@pytest.mark.parametrize("threads", [1, 2])
def test_chains_of_quantized_dense_layers_are_right(
    threads: int, write_onnx: Callable[..., Path]
) -> None:
    """OpenVINO 2026.4.1 alone answers with errors of 14 where the largest output is 1."""
    path = write_onnx(*_quantized_dense_chain())
    values = np.random.default_rng(0).random((1, 64), np.float32) * 2 - 1
    expected = runtimes.load(path, "onnxruntime:cpu").run([values])[0]
    session = runtimes.load(path, "openvino:cpu", threads=threads, precision="strict_float32")
    # One step of the output's quantization is 0.1.
    tolerance = 0.41 if may_overflow(session) else 0.11
    np.testing.assert_allclose(session.run([values])[0], expected, atol=tolerance)


def may_overflow(session: Any) -> bool:
    """Whether sums of int8 may overflow here, which the session says where it is so."""
    told = session.effective.details.get("int8_sums") == "int16"
    assert told == adds_int8_in_16_bits()
    return told


def _quantized_dense_chain() -> tuple[list[Any], list[Any], list[Any]]:
    """64 → 32 → 16 channels, data in steps given below, weights in int8."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(2)
    nodes: list[Any] = []

    def constant(name: str, value: Any, dtype: type) -> str:
        tensor = numpy_helper.from_array(np.asarray(value, dtype), name)
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        return name

    def quantized(source: str, step: float) -> str:
        scale = constant(f"{source}_step", step, np.float32)
        zero = constant(f"{source}_middle", 128, np.uint8)
        nodes.append(helper.make_node("QuantizeLinear", [source, scale, zero], [f"{source}_q"]))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{source}_q", scale, zero], [f"{source}_d"])
        )
        return f"{source}_d"

    def dense(source: str, sizes: tuple[int, int], name: str) -> str:
        stored = constant(f"{name}_weights", random.integers(-127, 127, sizes), np.int8)
        scale = constant(f"{name}_scale", 1 / 508, np.float32)
        zero = constant(f"{name}_zero", 0, np.int8)
        nodes.append(helper.make_node("DequantizeLinear", [stored, scale, zero], [f"{name}_real"]))
        nodes.append(helper.make_node("MatMul", [source, f"{name}_real"], [name]))
        return name

    hidden = quantized(dense(quantized("values", 1 / 127), (64, 32), "first"), 1 / 40)
    nodes.append(helper.make_node("Relu", [hidden], ["positive"]))
    scores = quantized(dense(quantized("positive", 1 / 127), (32, 16), "second"), 0.1)
    nodes.append(helper.make_node("Identity", [scores], ["scores"]))
    return (
        nodes,
        [("values", TensorProto.FLOAT, [1, 64])],
        [("scores", TensorProto.FLOAT, [1, 16])],
    )


@pytest.mark.parametrize("recipe", ["float32", "static_int8"])
def test_padding_with_a_value_and_ends_of_one_are_read(
    write_tflite: Callable[..., Path], tmp_path: Path, recipe: str
) -> None:
    """OpenVINO 2026.4 has no rule for PADV2 and RELU_N1_TO_1."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)

    def net(image: Any) -> Any:
        maps = tf.pad(tf.nn.conv2d(image, kernel, 1, "SAME"), [[0, 0], [1, 1], [2, 0], [0, 0]],
                      constant_values=1.5)  # fmt: skip
        return tf.clip_by_value(tf.reduce_mean(maps, (1, 2)), -1.0, 1.0)

    path = write_tflite(net, ((1, 8, 8, 3), tf.float32))
    assert {"PADV2", "RELU_N1_TO_1"} <= set(read_signature(path).operators)
    images = [rng.normal(size=(1, 8, 8, 3)).astype(np.float32) for _ in range(8)]
    if recipe == "static_int8":
        from edgecnn.conversion.quantizers.tflite import activation_ranges, quantize_tflite
        from edgecnn.conversion.recipe import Recipe

        quantized = tmp_path / "quantized.tflite"
        ranges = activation_ranges(path, images)
        quantize_tflite(path, Recipe("int8", "int8"), quantized, ranges)
        path = quantized
    expected = runtimes.load(path, "litert:cpu", precision="strict_float32").run([images[0]])[0]
    session = runtimes.load(path, "openvino:cpu", precision="strict_float32")
    got = session.run([images[0]])[0]
    assert np.abs(expected).max() > 0.1
    exact = 1e-5 if recipe == "float32" else 0.03
    tolerance = 1.0 if recipe == "static_int8" and may_overflow(session) else exact
    np.testing.assert_allclose(got, expected, atol=tolerance)


def test_an_operator_of_tflite_that_it_does_not_read_is_named(
    write_tflite: Callable[..., Path],
) -> None:
    import tensorflow as tf

    path = write_tflite(lambda image: tf.math.atan2(image, image + 2.0), ((1, 4), tf.float32))
    with pytest.raises(UnsupportedError, match="OpenVINO does not run the operators ATAN2"):
        runtimes.load(path, "openvino:cpu")
