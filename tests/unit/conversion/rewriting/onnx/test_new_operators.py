"""Operators of new opsets, written out in older ones, give the same numbers."""

import numpy as np
import pytest

from edgecnn.conversion.rewriting.onnx.new_operators import written_out

onnx = pytest.importorskip("onnx", reason="the models are ONNX models")
runtime = pytest.importorskip("onnxruntime", reason="it computes them")

VALUES = np.random.default_rng(0).normal(size=(1, 6, 8)).astype(np.float32)


def one_node(kind: str, *others: str, **attributes: object):
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *others], ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, VALUES.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, VALUES.shape)],
        [numpy_helper.from_array(VALUES[0, 0], "gain")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)


def answer(model):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": VALUES})[0]


@pytest.mark.parametrize(
    ("kind", "others", "attributes"),
    [
        ("Swish", (), {}),
        ("Swish", (), {"alpha": 1.5}),
        ("RMSNormalization", ("gain",), {"axis": -1}),
        ("Attention", ("x", "x"), {"q_num_heads": 2, "kv_num_heads": 2}),
    ],
)
def test_they_compute_the_same(kind: str, others: tuple[str, ...], attributes: dict[str, object]):
    model = one_node(kind, *others, **attributes)
    expected = answer(model)
    changed = written_out(model)
    assert kind not in {node.op_type for node in changed.graph.node}
    assert np.allclose(answer(changed), expected, atol=1e-5)


def test_a_model_without_them_stays_as_it_is():
    model = one_node("Relu")
    assert written_out(model) is model
