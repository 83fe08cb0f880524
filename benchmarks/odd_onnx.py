"""ONNX models that are odd in one way each, made node by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, HALF, DOUBLE, BFLOAT16 = (
    *(1, 2, 3, 6, 7, 8, 9, 10, 11, 16),
)
Build = Callable[[Path], None]
Shape = Sequence[int | str | None]


def value(name: str, shape: Shape | None, dtype: int = FLOAT) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, shape)


def _constant(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values), name)


def _weights(*shape: int) -> Any:
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def _model(
    nodes: Sequence[tuple[Any, ...]],
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    ir: int = 8,
    domains: Mapping[str, int] | None = None,
) -> Build:
    """Nodes are (operator, inputs, outputs, attributes); from "x" (1, 3, 16, 16) to "y"."""
    from onnx import helper

    def build(path: Path) -> None:
        made = [
            helper.make_node(operator, into, out, **(attributes[0] if attributes else {}))
            for operator, into, out, *attributes in nodes
        ]
        graph = helper.make_graph(
            made,
            "odd",
            [value("x", (1, 3, 16, 16))] if inputs is None else inputs,
            [value("y", None)] if outputs is None else outputs,
            [_constant(name, values) for name, values in (constants or {}).items()],
        )
        sets = [
            helper.make_opsetid("", opset),
            *(helper.make_opsetid(domain, version) for domain, version in (domains or {}).items()),
        ]
        model = helper.make_model(graph, opset_imports=sets, ir_version=ir)
        path.write_bytes(model.SerializeToString())

    return build


def _unary(operator: str, shape: Shape | None = (1, 3, 16, 16), **attributes: Any) -> Build:
    return _model([(operator, ["x"], ["y"], attributes)], outputs=[value("y", shape)])


def onnx_models() -> Iterator[tuple[str, Build]]:
    """(file name, what writes it)."""
    image = (1, 3, 16, 16)
    for operator in ("Relu", "Elu", "Selu", "Mish", "HardSwish", "Softplus", "Erf", "Sign", "Det"):
        shape = (1, 3) if operator == "Det" else image
        opset = 18 if operator == "Mish" else 17
        yield (
            f"op_{operator.lower()}.onnx",
            _model([(operator, ["x"], ["y"])], outputs=[value("y", shape)], opset=opset),
        )
    yield "softmax_over_channels.onnx", _unary("Softmax", axis=1)
    yield (
        "instance_norm.onnx",
        _model(
            [("InstanceNormalization", ["x", "s", "b"], ["y"])],
            outputs=[value("y", image)],
            constants={"s": np.ones(3, np.float32), "b": np.zeros(3, np.float32)},
        ),
    )
    yield "global_pool.onnx", _unary("GlobalAveragePool", (1, 3, 1, 1))
    yield (
        "conv_group.onnx",
        _model(
            [("Conv", ["x", "w"], ["y"], {"group": 3})],
            outputs=[value("y", (1, 3, 14, 14))],
            constants={"w": _weights(3, 1, 3, 3)},
        ),
    )
    yield (
        "conv_dilated.onnx",
        _model(
            [("Conv", ["x", "w"], ["y"], {"dilations": [3, 3]})],
            outputs=[value("y", (1, 4, 10, 10))],
            constants={"w": _weights(4, 3, 3, 3)},
        ),
    )
    yield (
        "conv_transposed.onnx",
        _model(
            [("ConvTranspose", ["x", "w"], ["y"], {"strides": [2, 2]})],
            outputs=[value("y", (1, 4, 33, 33))],
            constants={"w": _weights(3, 4, 3, 3)},
        ),
    )
    yield (
        "conv_1d.onnx",
        _model(
            [("Conv", ["x", "w"], ["y"])],
            inputs=[value("x", (1, 3, 64))],
            outputs=[value("y", (1, 4, 56))],
            constants={"w": _weights(4, 3, 9)},
        ),
    )
    yield (
        "conv_3d.onnx",
        _model(
            [("Conv", ["x", "w"], ["y"])],
            inputs=[value("x", (1, 1, 8, 8, 8))],
            outputs=[value("y", (1, 4, 6, 6, 6))],
            constants={"w": _weights(4, 1, 3, 3, 3)},
        ),
    )
    yield (
        "difference_of_two.onnx",
        _model(
            [("Sub", ["a", "b"], ["y"])],
            inputs=[value("a", (1, 8)), value("b", (1, 8))],
            outputs=[value("y", (1, 8))],
        ),
    )
    yield (
        "picture_and_number.onnx",
        _model(
            [("Mul", ["x", "gain"], ["y"])],
            inputs=[value("x", image), value("gain", ())],
            outputs=[value("y", image)],
        ),
    )
    yield (
        "no_input.onnx",
        _model(
            [("Identity", ["w"], ["y"])],
            inputs=[],
            outputs=[value("y", (4,))],
            constants={"w": _weights(4)},
        ),
    )
    yield (
        "two_outputs.onnx",
        _model(
            [("Relu", ["x"], ["a"]), ("Neg", ["x"], ["b"])],
            outputs=[value("a", image), value("b", image)],
        ),
    )
    yield (
        "an_input_is_an_output.onnx",
        _model([("Relu", ["x"], ["y"])], outputs=[value("y", image), value("x", image)]),
    )
    yield "output_of_open_rank.onnx", _unary("Relu", None)
    for dtype, name in ((HALF, "half"), (DOUBLE, "double"), (UINT8, "uint8"), (BOOL, "bool"),
                        (INT32, "int32"), (BFLOAT16, "bfloat16"), (STRING, "text")):  # fmt: skip
        yield (
            f"dtype_{name}.onnx",
            _model(
                [("Identity", ["x"], ["y"])],
                inputs=[value("x", image, dtype)],
                outputs=[value("y", image, dtype)],
            ),
        )
    yield (
        "cast_to_half.onnx",
        _model(
            [("Cast", ["x"], ["h"], {"to": HALF}), ("Cast", ["h"], ["y"], {"to": FLOAT})],
            outputs=[value("y", image)],
        ),
    )
    yield (
        "quantized.onnx",
        _model(
            [
                ("QuantizeLinear", ["x", "s", "z"], ["q"]),
                ("DequantizeLinear", ["q", "s", "z"], ["y"]),
            ],
            outputs=[value("y", image)],
            constants={"s": np.float32(0.01), "z": np.uint8(0)},
        ),
    )
    open_shapes: dict[str, Shape] = {
        "batch": ("n", 3, 16, 16),
        "sizes": (1, 3, "h", "w"),
        "all": ("n", "c", "h", "w"),
        "unnamed": (None, 3, None, None),
    }
    for name, shape in open_shapes.items():
        yield (
            f"open_{name}.onnx",
            _model(
                [("Relu", ["x"], ["y"])],
                inputs=[value("x", shape)],
                outputs=[value("y", shape)],
            ),
        )
    yield (
        "open_rank.onnx",
        _model([("Relu", ["x"], ["y"])], inputs=[value("x", None)], outputs=[value("y", None)]),
    )
    yield (
        "fixed_batch_of_4.onnx",
        _model(
            [("Relu", ["x"], ["y"])],
            inputs=[value("x", (4, 8))],
            outputs=[value("y", (4, 8))],
        ),
    )
    for rows in (1, 30, 5_000):
        yield (
            f"ids_of_{rows}.onnx",
            _model(
                [("Gather", ["table", "ids"], ["y"])],
                inputs=[value("ids", (1, 16), INT64)],
                outputs=[value("y", (1, 16, 4))],
                constants={"table": _weights(rows, 4)},
            ),
        )
    yield (
        "ids_behind_a_cast.onnx",
        _model(
            [("Cast", ["ids"], ["a"], {"to": INT64}), ("Gather", ["table", "a"], ["y"])],
            inputs=[value("ids", (1, 16))],
            outputs=[value("y", (1, 16, 4))],
            constants={"table": _weights(9, 4)},
        ),
    )
    yield (
        "one_hot.onnx",
        _model(
            [("OneHot", ["ids", "depth", "values"], ["y"])],
            inputs=[value("ids", (1, 16), INT64)],
            outputs=[value("y", (1, 16, 7))],
            constants={"depth": np.int64(7), "values": np.array([0, 1], np.float32)},
        ),
    )
    yield (
        "constant_answer.onnx",
        _model(
            [("Mul", ["x", "zero"], ["y"])],
            outputs=[value("y", image)],
            constants={"zero": np.float32(0)},
        ),
    )
    yield (
        "not_a_number.onnx",
        _model([("Neg", ["x"], ["n"]), ("Log", ["n"], ["y"])], outputs=[value("y", image)]),
    )
    yield (
        "top_k.onnx",
        _model(
            [("Flatten", ["x"], ["f"]), ("TopK", ["f", "k"], ["y", "at"])],
            outputs=[value("y", (1, 5)), value("at", (1, 5), INT64)],
            constants={"k": np.array([5])},
        ),
    )
    yield (
        "where_it_is_positive.onnx",
        _model([("NonZero", ["x"], ["y"])], outputs=[value("y", (4, None), INT64)]),
    )
    yield (
        "non_max_suppression.onnx",
        _model(
            [("NonMaxSuppression", ["boxes", "scores", "most"], ["y"])],
            inputs=[value("boxes", (1, 20, 4)), value("scores", (1, 2, 20))],
            outputs=[value("y", (None, 3), INT64)],
            constants={"most": np.array([5])},
        ),
    )
    yield (
        "random.onnx",
        _model(
            [("RandomNormalLike", ["x"], ["r"]), ("Add", ["x", "r"], ["y"])],
            outputs=[value("y", image)],
        ),
    )
    yield "if.onnx", _if
    yield "loop.onnx", _loop
    yield (
        "lstm.onnx",
        _model(
            [("LSTM", ["x", "w", "r"], ["", "y"], {"hidden_size": 4})],
            inputs=[value("x", (8, 1, 3))],
            outputs=[value("y", (1, 1, 4))],
            constants={"w": _weights(1, 16, 3), "r": _weights(1, 16, 4)},
        ),
    )
    yield "sequence_output.onnx", _sequence
    yield "zip_map.onnx", _zip_map
    yield "tree_ensemble.onnx", _scaler
    yield (
        "unknown_operator.onnx",
        _model(
            [("Unheard", ["x"], ["y"], {"domain": "own"})],
            outputs=[value("y", image)],
            domains={"own": 1},
        ),
    )
    yield (
        "missing_tensor.onnx",
        _model([("Add", ["x", "nobody"], ["y"])], outputs=[value("y", image)]),
    )
    yield "opset_7.onnx", _model([("Relu", ["x"], ["y"])], outputs=[value("y", image)], opset=7)
    yield (
        "opset_999.onnx",
        _model([("Relu", ["x"], ["y"])], outputs=[value("y", image)], opset=999),
    )
    yield "ir_999.onnx", _model([("Relu", ["x"], ["y"])], outputs=[value("y", image)], ir=999)
    yield from _odd_shapes()
    yield (
        "names_in_unicode.onnx",
        _model(
            [("Relu", ["größe ✓/x:0"], ["y"])],
            inputs=[value("größe ✓/x:0", image)],
            outputs=[value("y", image)],
        ),
    )


def _odd_shapes() -> Iterator[tuple[str, Build]]:
    """Inputs and outputs whose axes are not those of a batch of images."""
    same: dict[str, Shape | None] = {
        "scalar": (),
        "line": (7,),
        "line_open": ("n",),
        "empty": (1, 0),
        "minus_one": (1, -1),
        "one_image": (32, 24, 3),
        "one_image_channels_first": (3, 32, 24),
        "batch_of_images": (4, 3, 8, 8),
        "six_axes": (2, 1, 3, 1, 2, 2),
        "open_last": (1, 8, None),
        "open_first_two": ("batch", "length", 4),
        "open_all_unnamed": (None, None),
    }
    for name, shape in same.items():
        yield (
            f"shape_{name}.onnx",
            _model(
                [("Relu", ["x"], ["y"])],
                inputs=[value("x", shape)],
                outputs=[value("y", shape)],
            ),
        )
    yield (
        "different_first_axes.onnx",
        _model(
            [("MatMul", ["a", "b"], ["y"])],
            inputs=[value("a", (4, 6)), value("b", (6, 3))],
            outputs=[value("y", (4, 3))],
        ),
    )
    yield "no_operators.onnx", _model([], outputs=[value("x", (1, 3, 16, 16))])
    yield (
        "constant_alone.onnx",
        _model([], inputs=[], outputs=[value("w", (4,))], constants={"w": _weights(4)}),
    )
    yield (
        "empty_output.onnx",
        _model(
            [("Slice", ["x", "at", "to"], ["y"])],
            inputs=[value("x", (4, 8))],
            outputs=[value("y", (0, 8))],
            constants={"at": np.array([0]), "to": np.array([0])},
        ),
    )
    yield (
        "size_given.onnx",
        _model(
            [("Reshape", ["x", "to"], ["y"])],
            inputs=[value("x", (1, 1)), value("to", (2,), INT64)],
            outputs=[value("y", None)],
        ),
    )
    yield (
        "ids_of_a_given_table.onnx",
        _model(
            [("Gather", ["table", "ids"], ["y"])],
            inputs=[value("table", (5, 2)), value("ids", (3,), INT64)],
            outputs=[value("y", (3, 2))],
        ),
    )
    yield (
        "ids_behind_arithmetic.onnx",
        _model(
            [("Mul", ["ids", "two"], ["far"]), ("Gather", ["table", "far"], ["y"])],
            inputs=[value("ids", (3,), INT64)],
            outputs=[value("y", (3, 2))],
            constants={"table": _weights(6, 2), "two": np.array([2])},
        ),
    )
    yield "sequence_input.onnx", _sequence_input
    yield "optional_input.onnx", _optional_input


def save(graph: Any, path: Path, **domains: int) -> None:
    from onnx import helper

    sets = [helper.make_opsetid("", 17)]
    sets += [helper.make_opsetid(domain.replace("_", "."), v) for domain, v in domains.items()]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    path.write_bytes(model.SerializeToString())


def _if(path: Path) -> None:
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
    half = [_constant("half", np.float32(0.5))]
    save(helper.make_graph(nodes, "if", [value("x", (1, 8))], [value("y", (1, 8))], half), path)


def _loop(path: Path) -> None:
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
    constants = [_constant("times", np.int64(3)), _constant("yes", np.bool_(True))]
    inputs, outputs = [value("x", (1, 8))], [value("y", (1, 8))]
    save(helper.make_graph([node], "loop", inputs, outputs, constants), path)


def _sequence(path: Path) -> None:
    from onnx import helper

    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, (1, 8)))
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    outputs = [helper.make_value_info("y", kind)]
    save(helper.make_graph([node], "sequence", [value("x", (1, 8))], outputs), path)


def _sequence_input(path: Path) -> None:
    from onnx import helper

    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, (2, 8)))
    node = helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)
    inputs = [helper.make_value_info("x", kind)]
    save(helper.make_graph([node], "sequence", inputs, [value("y", None)]), path)


def _optional_input(path: Path) -> None:
    from onnx import helper

    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, (2, 8)))
    node = helper.make_node("OptionalGetElement", ["x"], ["y"])
    inputs = [helper.make_value_info("x", kind)]
    save(helper.make_graph([node], "optional", inputs, [value("y", (2, 8))]), path)


def _zip_map(path: Path) -> None:
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


def _scaler(path: Path) -> None:
    from onnx import helper

    node = helper.make_node(
        "Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.5] * 4, scale=[2.0] * 4
    )
    graph = helper.make_graph([node], "scaler", [value("x", (1, 4))], [value("y", (1, 4))])
    save(graph, path, ai_onnx_ml=3)
