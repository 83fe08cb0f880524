"""ONNX models with branches, loops, sequences, maps and other operators than those of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from odd_onnx_builder import BOOL, FLOAT, INT64, STRING, constant, save, value


def branches(path: Path) -> None:
    from onnx import helper

    def branch(operator: str) -> Any:
        node = helper.make_node(operator, ["x"], [operator])
        return helper.make_graph([node], operator, [], [value(operator, (1, 8))])

    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "half"], ["high"]),
        helper.make_node(
            "If", ["high"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg")
        ),
    ]
    half = [constant("half", np.float32(0.5))]
    save(helper.make_graph(nodes, "if", [value("x", (1, 8))], [value("y", (1, 8))], half), path)


def loop(path: Path) -> None:
    from onnx import helper

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["state", "state"], ["next"]),
        ],
        "body",
        [value("step", (), INT64), value("go", (), BOOL), value("state", (1, 8))],
        [value("go_on", (), BOOL), value("next", (1, 8))],
    )
    node = helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)
    constants = [constant("times", np.int64(3)), constant("yes", np.bool_(True))]
    inputs, outputs = [value("x", (1, 8))], [value("y", (1, 8))]
    save(helper.make_graph([node], "loop", inputs, outputs, constants), path)


def sequence(path: Path) -> None:
    from onnx import helper

    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, (1, 8)))
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    outputs = [helper.make_value_info("y", kind)]
    save(helper.make_graph([node], "sequence", [value("x", (1, 8))], outputs), path)


def sequence_input(path: Path) -> None:
    from onnx import helper

    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, (2, 8)))
    node = helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)
    inputs = [helper.make_value_info("x", kind)]
    save(helper.make_graph([node], "sequence", inputs, [value("y", None)]), path)


def optional_input(path: Path) -> None:
    from onnx import helper

    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, (2, 8)))
    node = helper.make_node("OptionalGetElement", ["x"], ["y"])
    inputs = [helper.make_value_info("x", kind)]
    save(helper.make_graph([node], "optional", inputs, [value("y", (2, 8))]), path)


def zip_map(path: Path) -> None:
    from onnx import helper

    labels = ["go", "stop"]
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            coefficients=[0.1, 0.2, 0.3, 0.4, -0.1, -0.2, -0.3, -0.4],
            intercepts=[0.0, 0.5],
            classlabels_strings=labels,
            post_transform="SOFTMAX",
        ),
        helper.make_node(
            "ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_strings=labels
        ),
    ]
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, ()))
    )
    outputs = [value("label", [None], STRING), helper.make_value_info("maps", kind)]
    graph = helper.make_graph(nodes, "zip", [value("x", [None, 4])], outputs)
    save(graph, path, ai_onnx_ml=3)


def scaler(path: Path) -> None:
    from onnx import helper

    node = helper.make_node(
        "Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.5] * 4, scale=[2.0] * 4
    )
    graph = helper.make_graph([node], "scaler", [value("x", (1, 4))], [value("y", (1, 4))])
    save(graph, path, ai_onnx_ml=3)
