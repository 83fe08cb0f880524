"""Grouped convolutions over signals compute the same as convolutions over images of one row."""

import numpy as np
import pytest

from edgecnn.conversion.rewriting.onnx.grouped_signals import with_rows
from edgecnn.conversion.rewriting.onnx.plain_form import copied

onnx = pytest.importorskip("onnx", reason="the models are ONNX models")
runtime = pytest.importorskip("onnxruntime", reason="it computes them")

RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(size=(1, 6, 20)).astype(np.float32)


def model(groups: int):
    from onnx import TensorProto, helper, numpy_helper

    weights = RNG.normal(size=(6, 6 // groups, 3)).astype(np.float32)
    attributes = {"strides": [2], "dilations": [2], "pads": [3, 1]}
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, **attributes)
    graph = helper.make_graph(
        [node, helper.make_node("Relu", ["y"], ["z"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SIGNALS.shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(given):
    return runtime.InferenceSession(given.SerializeToString()).run(None, {"x": SIGNALS})[0]


@pytest.mark.parametrize("groups", [2, 3])
def test_a_row_more_changes_no_number(groups: int):
    given = model(groups)
    changed = copied(given)
    with_rows(changed)
    assert [node.op_type for node in changed.graph.node] == ["Unsqueeze", "Conv", "Squeeze", "Relu"]
    assert len(changed.graph.initializer) == 2
    assert np.allclose(answer(changed), answer(given), atol=1e-5)


@pytest.mark.parametrize("groups", [1, 6])
def test_what_onnx2tf_writes_well_is_left_alone(groups: int):
    given = model(groups)
    before = given.SerializeToString()
    with_rows(given)
    assert given.SerializeToString() == before
