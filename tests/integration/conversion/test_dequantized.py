"""A quantized file without its float parent: float files, and those made of them, from its own
numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.quantizers.onnx import quantize_onnx
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.rewriting.onnx.dequantization import dequantize
from edgecnn.conversion.verification.verify import load_session
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.recipes import recipe_in

onnx = pytest.importorskip("onnx", reason="the files are ONNX")
pytest.importorskip("onnxruntime", reason="ONNX Runtime's tools quantize")

SHAPE = (1, 3, 8, 8)
RNG = np.random.default_rng(0)


def float_file(path: Path) -> Path:
    """Convolutions with a Relu and a Clip behind them, pooling and a dense layer."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "w": RNG.normal(0, 0.4, (6, 3, 3, 3)), "v": RNG.normal(0, 0.4, (6, 6, 1, 1)),
        "d": RNG.normal(0, 0.5, (6, 4)), "low": np.asarray(-0.5), "high": np.asarray(0.75),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
        helper.make_node("Clip", ["c", "low", "high"], ["e"]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("MatMul", ["g", "d"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *SHAPE[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [
            numpy_helper.from_array(each.astype(np.float32), name)
            for name, each in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    samples = [RNG.normal(0, 1, SHAPE).astype(np.float32) for _ in range(16)]
    path = folder / "net_static_int8.onnx"
    quantize_onnx(float_file(folder / "net.onnx"), Recipe("int8", "int8"), path, samples)
    assert recipe_in(path) == "static_int8"
    return path


def outputs(path: Path, count: int = 24) -> np.ndarray:
    session = load_session(path)
    inputs = np.random.default_rng(1).normal(0, 1, (count, 8, 8, 3)).astype(np.float32)
    return np.concatenate([session.run([each[None]])[0] for each in inputs])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def test_what_the_integers_cut_off_stays_cut_off(quantized: Path, tmp_path: Path):
    """The quantizer leaves out Relu and Clip: without them the float file would be another net."""
    kinds = read_signature(quantized).operators
    assert "Relu" not in kinds
    (outcome,) = convert(quantized, "onnx:float32", out=tmp_path, samples=8)
    assert outcome.artifact is not None, outcome.error
    made = outcome.artifact.path
    assert recipe_in(made) == "float32"
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(read_signature(made).operators)
    network = outputs(quantized.with_name("net.onnx"))
    assert rms(outputs(made) - network) < 0.04 * rms(network)


def test_it_is_said_where_the_numbers_are_from(quantized: Path, tmp_path: Path):
    (outcome,) = convert(quantized, "onnx:float16", out=tmp_path, samples=4)
    assert outcome.artifact is not None, outcome.error
    assert any("8-bit numbers of net_static_int8.onnx" in note for note in outcome.notes)


def test_another_quantization_is_still_refused(quantized: Path, tmp_path: Path):
    (outcome,) = convert(quantized, "onnx:dynamic_int8", out=tmp_path, samples=4)
    assert outcome.status == "unsupported"
    assert "holds static_int8 already" in outcome.error
    assert "onnx:float32" in outcome.hint


def test_data_are_not_asked_for_what_they_would_not_make(quantized: Path, tmp_path: Path):
    (outcome,) = convert(quantized, "onnx:static_int8", out=tmp_path, samples=4)
    assert outcome.status == "unsupported"
    assert "holds static_int8 already" in outcome.error


def test_a_name_that_is_nearly_a_shipped_detector_is_offered(tmp_path: Path):
    with pytest.raises(InputError, match="unknown model 'stop_sign_nan'") as caught:
        convert("stop_sign_nan", "onnx:float32", out=tmp_path)
    assert "'stop_sign_nano'" in caught.value.hint


def test_integer_operators_without_a_float_form_are_named():
    from onnx import TensorProto, helper

    node = helper.make_node(
        "QLinearReduceMean", list("xszsz"), ["y"], name="mean", domain="com.microsoft"
    )
    values = [helper.make_tensor_value_info(name, TensorProto.UINT8, [2, 2]) for name in "xy"]
    graph = helper.make_graph([node], "graph", values[:1], values[1:])
    with pytest.raises(UnsupportedError, match=r"QLinearReduceMean \(layer 'mean'\)"):
        dequantize(helper.make_model(graph))


class Samples:
    """What ONNX Runtime's tools calibrate with."""

    def __init__(self) -> None:
        rng = np.random.default_rng(4)
        self._left = [{"x": rng.normal(0, 1, SHAPE).astype(np.float32)} for _ in range(16)]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None


@pytest.mark.parametrize("way", ["QOperator", "unsigned", "dynamic"])
def test_operators_on_integers_become_float_ones(quantized: Path, tmp_path: Path, way: str):
    """QLinearConv and its relatives with one scale or one a channel; ConvInteger, MatMulInteger."""
    from onnxruntime import quantization as tools

    network, path = quantized.with_name("net.onnx"), tmp_path / "integers.onnx"
    if way == "dynamic":
        tools.quantize_dynamic(network, path, per_channel=True)
    else:
        signed = way == "QOperator"
        tools.quantize_static(
            network,
            path,
            Samples(),
            quant_format=tools.QuantFormat.QOperator,
            per_channel=signed,
            activation_type=tools.QuantType.QInt8 if signed else tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8 if signed else tools.QuantType.QUInt8,
        )
    kinds = set(read_signature(path).operators)
    assert kinds & {"QLinearConv", "ConvInteger", "MatMulInteger"}
    (outcome,) = convert(path, "onnx:float32", out=tmp_path / "art", samples=8)
    assert outcome.artifact is not None, outcome.error
    made = outcome.artifact.path
    assert recipe_in(made) == "float32"
    found, real = outputs(made), outputs(network)
    assert rms(found - real) < 0.04 * rms(real)
    assert rms(found - outputs(path)) < 0.04 * rms(real)


def model_of(nodes: list, inputs: dict, sizes: dict, constants: dict, *, kind: int = 1):
    """An ONNX model of opset 21, whose outputs are floats (`sizes`)."""
    from onnx import TensorProto, helper, numpy_helper

    weights = [
        each if isinstance(each, TensorProto) else numpy_helper.from_array(each, name)
        for name, each in constants.items()
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in sizes.items()],
        weights,
    )
    domains = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def answers(model, feed: dict) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed)[0]


@pytest.mark.parametrize("zeros", [True, False])
def test_weights_in_blocks_of_four_bits_become_real_ones(zeros: bool):
    from onnx import helper

    rng = np.random.default_rng(5)
    whole, steps = rng.integers(0, 16, (6, 3, 16)), rng.uniform(0.01, 0.05, 18)
    packed = (whole[..., 0::2] | (whole[..., 1::2] << 4)).astype(np.uint8)
    constants = {"w": packed, "s": steps.astype(np.float32)}
    if zeros:  # two nibbles a byte, each row filled up
        start = rng.integers(4, 12, (6, 4))
        constants["z"] = (start[:, 0::2] | (start[:, 1::2] << 4)).astype(np.uint8).ravel()
    node = helper.make_node(
        "MatMulNBits", ["x", *constants], ["y"], domain="com.microsoft", K=40, N=6, bits=4,
        block_size=16,
    )  # fmt: skip
    model = model_of([node], {"x": [2, 40]}, {"y": [2, 6]}, constants)
    feed = {"x": rng.normal(0, 1, (2, 40)).astype(np.float32)}
    before = answers(model, feed)
    dequantize(model)
    assert [each.op_type for each in model.graph.node] == ["MatMul"]
    np.testing.assert_allclose(answers(model, feed), before, atol=1e-5)


def test_a_scale_for_each_block_is_spread_over_it():
    from onnx import TensorProto, helper

    rng = np.random.default_rng(6)
    whole = rng.integers(-8, 8, (40, 6))
    stored = helper.make_tensor("w", TensorProto.INT4, [40, 6], whole.ravel().tolist())
    constants = {"w": stored, "s": rng.uniform(0.01, 0.05, (3, 6)).astype(np.float32)}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["r"], axis=0, block_size=16),
        helper.make_node("MatMul", ["x", "r"], ["y"]),
    ]
    model = model_of(nodes, {"x": [2, 40]}, {"y": [2, 6]}, constants)
    feed = {"x": rng.normal(0, 1, (2, 40)).astype(np.float32)}
    real = whole * np.repeat(constants["s"], 16, axis=0)[:40]
    dequantize(model)
    assert [each.op_type for each in model.graph.node] == ["MatMul"]
    np.testing.assert_allclose(answers(model, feed), feed["x"] @ real, atol=1e-5)


def dynamic_convolution(x: str, y: str) -> list:
    """x → ConvInteger of "w" → y, as ONNX Runtime's dynamic quantizer writes it."""
    from onnx import TensorProto, helper

    return [
        helper.make_node("DynamicQuantizeLinear", [x], ["q", "step", "zero"]),
        helper.make_node("ConvInteger", ["q", "w", "zero", "none"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["step", "s"], ["scale"]),
        helper.make_node("Mul", ["floats", "scale"], [y]),
    ]


def int8_kernel(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "w": rng.integers(-127, 128, (4, 3, 1, 1)).astype(np.int8),
        "none": np.zeros((), np.int8),
        "s": np.asarray(0.01, np.float32),
    }


def test_a_float_convolution_with_a_bias_keeps_the_factor_behind_it():
    """Its bias would have to be scaled with its weights."""
    from onnx import helper

    rng = np.random.default_rng(8)
    constants = int8_kernel(rng) | {
        "k": rng.normal(0, 0.5, (3, 3, 1, 1)).astype(np.float32),
        "b": np.asarray([3, -2, 1], np.float32),
        "half": np.asarray(0.5, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["a"]),
        helper.make_node("Mul", ["a", "half"], ["m"]),
        *dynamic_convolution("m", "y"),
    ]
    model = model_of(nodes, {"x": [1, 3, 4, 4]}, {"y": [1, 4, 4, 4]}, constants)
    feed = {"x": rng.normal(0, 1, (1, 3, 4, 4)).astype(np.float32)}
    before = answers(model, feed)
    dequantize(model)
    assert [each.op_type for each in model.graph.node] == ["Conv", "Mul", "Conv"]
    assert rms(answers(model, feed) - before) < 0.02 * rms(before)


def test_what_only_moves_integers_moves_the_real_values():
    """As TFLite's files come: padding with the zero point, joining, the largest, turned, bytes in
    and a second scale that is the same number."""
    from onnx import helper

    constants = {
        "s": np.float32(0.05), "z": np.uint8(100), "t": np.asarray([0.05], np.float32),
        "p": np.asarray([0, 0, 1, 1, 0, 0, 1, 1]), "more": np.full((1, 1, 6, 6), 140, np.uint8),
    }  # fmt: skip
    pair = ["s", "z"]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", *pair], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("QuantizeLinear", ["b", *pair], ["c"]),
        helper.make_node("Pad", ["c", "p", "z"], ["d"]),
        helper.make_node("Concat", ["d", "more"], ["e"], axis=1),
        helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["f"], ["g"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["g", "t", "z"], ["y"]),
    ]
    model = model_of(nodes, {"x": [1, 2, 4, 4]}, {"y": [1, 3, 3, 3]}, constants, kind=2)
    feed = {"x": np.random.default_rng(7).integers(60, 140, (1, 2, 4, 4)).astype(np.uint8)}
    before = answers(model, feed)
    dequantize(model)
    assert not {"QuantizeLinear", "DequantizeLinear"} & {one.op_type for one in model.graph.node}
    found = answers(model, feed)
    assert before.any()
    np.testing.assert_allclose(found, before, atol=1e-5)


def test_integers_that_are_computed_with_are_no_real_values():
    from onnx import helper

    constants = {"s": np.float32(0.05), "z": np.uint8(100)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        helper.make_node("BitShift", ["a", "a"], ["b"], direction="LEFT", name="shift"),
        helper.make_node("DequantizeLinear", ["b", "s", "z"], ["y"]),
    ]
    model = model_of(nodes, {"x": [2]}, {"y": [2]}, constants)
    with pytest.raises(UnsupportedError, match=r"BitShift \(layer 'shift'\) computes"):
        dequantize(model)


def test_a_shipped_detector_is_converted_by_its_name(tmp_path: Path):
    pytest.importorskip("MNN", reason="MNN is not installed")
    targets = ["onnx:float32", "mnn:float32"]
    outcomes = convert("stop_sign_nano", targets, out=tmp_path, samples=2)
    for outcome in outcomes:
        assert outcome.artifact is not None, outcome.error
        manifest = outcome.artifact.manifest
        assert outcome.artifact.path.name.startswith("stop_sign_nano_float32")
        assert manifest.task == "detection"
        assert manifest.preprocessing is not None
        assert "min_score" in manifest.metrics
    assert "stop_sign_nano_static_int8.onnx" not in {path.name for path in tmp_path.iterdir()}
    first, second = (one.artifact.path for one in outcomes)
    one, other = (load_session(path).run([np.full((1, 384, 384, 3), 0.4, np.float32)])
                  for path in (first, second))  # fmt: skip
    for expected, found in zip(one, other, strict=True):
        assert np.abs(np.asarray(found).reshape(expected.shape) - expected).max() < 1e-3
