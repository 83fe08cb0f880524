"""A quantized file without its float parent: float files, and those made of them, from its own
numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert
from edgecnn.conversion.onnx_dequantization import dequantize
from edgecnn.conversion.quantizers.onnx import quantize_onnx
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.verify import load_session
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.recipes import recipe_in
from edgecnn.places import ASSETS

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


def test_operators_that_compute_with_integers_are_named():
    from onnx import TensorProto, helper

    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"], name="dense")
    values = [helper.make_tensor_value_info(name, TensorProto.UINT8, [2, 2]) for name in "xw"]
    graph = helper.make_graph([node], "graph", values, [])
    with pytest.raises(UnsupportedError, match=r"MatMulInteger \(layer 'dense'\)"):
        dequantize(helper.make_model(graph))


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
    assert ASSETS / "stop_sign_nano_static_int8.onnx" not in tmp_path.iterdir()
    first, second = (one.artifact.path for one in outcomes)
    one, other = (load_session(path).run([np.full((1, 384, 384, 3), 0.4, np.float32)])
                  for path in (first, second))  # fmt: skip
    for expected, found in zip(one, other, strict=True):
        assert np.abs(np.asarray(found).reshape(expected.shape) - expected).max() < 1e-3
