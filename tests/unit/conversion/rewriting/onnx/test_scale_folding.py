"""Factors and sums for channels go into the convolution, and outputs stay what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn.conversion.rewriting.onnx.scale_folding import fold_scales

RNG = np.random.default_rng(0)
CHANNELS = 4
SCALE = RNG.uniform(0.5, 2, (1, CHANNELS, 1)).astype(np.float32)
SHIFT = RNG.normal(size=(1, CHANNELS, 1)).astype(np.float32)


def built(
    operators: list[tuple[str, np.ndarray]],
    *,
    bias: bool = False,
    squeeze: bool = True,
    also: tuple[str, ...] = (),
    twice: bool = False,
) -> Any:
    """A convolution (n, 3, 1, 9) → (n, 4, 1, 7), perhaps a Squeeze, operators with constants."""
    stored = {"kernel": RNG.normal(size=(CHANNELS, 3, 1, 3)).astype(np.float32)}
    if bias:
        stored["bias"] = RNG.normal(size=CHANNELS).astype(np.float32)
    nodes = [helper.make_node("Conv", ["input", "kernel", *(["bias"] if bias else [])], ["conv"])]
    name = "conv"
    if squeeze:
        stored["axes"] = np.array([2], np.int64)
        nodes.append(helper.make_node("Squeeze", [name, "axes"], ["squeezed"]))
        name = "squeezed"
    for index, (kind, values) in enumerate(operators):
        stored[f"values_{index}"] = values
        nodes.append(helper.make_node(kind, [f"values_{index}", name], [f"step_{index}"]))
        name = f"step_{index}"
    nodes.append(helper.make_node("Relu", [name], ["output"]))
    if twice:
        nodes.append(helper.make_node("Conv", ["input", "kernel"], ["other"]))
        also = (*also, "other")
    flat, whole = ["n", CHANNELS, 7], ["n", CHANNELS, 1, 7]
    shapes = {"output": flat if squeeze else whole, "squeezed": flat}
    outputs = [
        helper.make_tensor_value_info(each, TensorProto.FLOAT, shapes.get(each, whole))
        for each in ("output", *also)
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 1, 9])],
        outputs,
        [numpy_helper.from_array(values, each) for each, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model: Any) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(1).normal(size=(2, 3, 1, 9)).astype(np.float32)
    return session.run(None, {"input": x})


def kinds(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "operators",
    [
        [("Mul", SCALE), ("Add", SHIFT)],
        [("Add", SHIFT), ("Mul", SCALE)],
        [("Add", SHIFT)],
        [("Mul", np.float32(3.0).reshape(())), ("Add", SHIFT[0])],
    ],
)
def test_what_is_computed_for_each_channel_goes_into_the_convolution(
    operators: list[tuple[str, np.ndarray]], bias: bool
):
    model = built(operators, bias=bias)
    before = answers(model)
    assert fold_scales(model) == 1
    onnx.checker.check_model(model, full_check=True)
    assert kinds(model) == ["Conv", "Squeeze", "Relu"]
    assert {each.name for each in model.graph.initializer} == {"kernel", "kernel_shift", "axes"}
    assert model.graph.node[1].output[0] == f"step_{len(operators) - 1}"
    np.testing.assert_allclose(answers(model)[0], before[0], rtol=1e-5, atol=1e-5)


def test_a_convolution_without_a_squeeze_is_folded_too():
    model = built([("Mul", SCALE[..., None]), ("Add", SHIFT[..., None])], squeeze=False)
    before = answers(model)
    assert fold_scales(model) == 1
    assert kinds(model) == ["Conv", "Relu"]
    np.testing.assert_allclose(answers(model)[0], before[0], rtol=1e-5, atol=1e-5)


def test_what_stands_behind_another_operator_stays():
    model = built([("Mul", SCALE), ("Add", np.ones((1, 1, 7), np.float32)), ("Mul", SCALE)])
    before = answers(model)
    assert fold_scales(model) == 1
    assert kinds(model) == ["Conv", "Squeeze", "Add", "Mul", "Relu"]
    np.testing.assert_allclose(answers(model)[0], before[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"also": ("conv",)}, {"also": ("squeezed",)}, {"twice": True}],
    ids=["conv is an output", "squeeze is an output", "weights are shared"],
)
def test_what_others_look_at_stays_as_it_is(options: dict[str, Any]):
    model = built([("Mul", SCALE), ("Add", SHIFT)], **options)
    before = model.SerializeToString(deterministic=True)
    assert fold_scales(model) == 0
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "values",
    [np.ones((1, 1, 7), np.float32), np.ones((2, 4, 1), np.float32), np.ones(7, np.float32)],
)
def test_constants_along_another_axis_stay(values: np.ndarray):
    model = built([("Mul", values)])
    assert fold_scales(model) == 0
