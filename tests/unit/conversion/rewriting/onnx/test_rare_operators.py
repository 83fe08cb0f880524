"""Operators that a converter lacks are written in others, with the same numbers."""

from typing import Any

import numpy as np
import pytest

from edgecnn.conversion.exporters import onnx_to_mnn as mnn
from edgecnn.conversion.exporters import onnx_to_ncnn as ncnn
from edgecnn.conversion.rewriting.onnx.rare_operators import spelled_out

onnx = pytest.importorskip("onnx", reason="the models are ONNX models")
runtime = pytest.importorskip("onnxruntime", reason="it computes them")

SPELLED: dict[str, dict[str, Any]] = {
    "tflite": {},
    "mnn": {"by_definition": mnn._LACKING, "norms": False},
    "ncnn": {"by_definition": ncnn._LACKING, "groups": False},
}
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(1, 8, 5, 6)).astype(np.float32)


def one_node(kind: str, opset: int, constants: dict[str, np.ndarray], **attributes: object):
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *constants], ["y"], name="rare", **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *VALUES.shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def answer(model: Any) -> np.ndarray:
    session = runtime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": VALUES})[0]


def scales(count: int) -> dict[str, np.ndarray]:
    return {name: RNG.normal(size=count).astype(np.float32) for name in ("scale", "offset")}


@pytest.mark.parametrize(
    ("kind", "opset", "constants", "attributes", "formats"),
    [
        ("GroupNormalization", 21, scales(8), {"num_groups": 2}, ("tflite", "mnn")),
        ("GroupNormalization", 18, scales(4), {"num_groups": 4}, ("tflite", "mnn")),
        ("LpNormalization", 18, {}, {"axis": 1}, ("tflite", "ncnn")),
        ("LpNormalization", 13, {}, {"axis": 1, "p": 1}, ("tflite", "ncnn")),
        ("Mish", 18, {}, {}, ("mnn",)),
        ("Shrink", 18, {}, {"lambd": 0.4, "bias": 0.1}, ("mnn",)),
        ("CenterCropPad", 18, {"to": np.asarray([4, 7])}, {"axes": [2, 3]}, ("mnn", "ncnn")),
        ("ReduceL2", 18, {"axes": np.asarray([2, 3])}, {"keepdims": 0}, ("mnn",)),
        ("ReduceLogSumExp", 18, {"axes": np.asarray([1])}, {"keepdims": 1}, ("mnn",)),
        ("Softsign", 18, {}, {}, ("ncnn",)),
    ],
)
def test_they_compute_the_same(
    kind: str,
    opset: int,
    constants: dict[str, np.ndarray],
    attributes: dict[str, object],
    formats: tuple[str, ...],
):
    for name in formats:
        model = one_node(kind, opset, constants, **attributes)
        expected = answer(model)
        changed = spelled_out(model, **SPELLED[name])
        assert kind not in {node.op_type for node in changed.graph.node}
        np.testing.assert_allclose(answer(changed), expected, atol=1e-5)


def test_pnnx_reads_a_scale_for_each_channel():
    model = one_node("GroupNormalization", 18, scales(4), num_groups=4)
    (node,) = spelled_out(model, **SPELLED["ncnn"]).graph.node
    found = {each.name: list(each.dims) for each in model.graph.initializer}
    assert [found[name] for name in node.input[1:]] == [[8], [8]]


def test_other_models_stay_as_they_are():
    model = one_node("Relu", 18, {})
    for name in ("tflite", "mnn", "ncnn"):
        assert spelled_out(model, **SPELLED[name]) is model
        assert [node.op_type for node in model.graph.node] == ["Relu"]
