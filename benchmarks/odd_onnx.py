"""ONNX models that are odd in one way each, made node by node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from odd_onnx_builder import (
    BFLOAT16,
    BOOL,
    DOUBLE,
    FLOAT,
    HALF,
    INT32,
    INT64,
    STRING,
    UINT8,
    Build,
    Shape,
    model_of,
    value,
    weights,
)
from odd_onnx_graphs import branches, loop, scaler, sequence, zip_map
from odd_onnx_shapes import odd_shapes


def _unary(operator: str, shape: Shape | None = (1, 3, 16, 16), **attributes: Any) -> Build:
    return model_of([(operator, ["x"], ["y"], attributes)], outputs=[value("y", shape)])


def onnx_models() -> Iterator[tuple[str, Build]]:
    """(file name, what writes it)."""
    image = (1, 3, 16, 16)
    for operator in ("Relu", "Elu", "Selu", "Mish", "HardSwish", "Softplus", "Erf", "Sign", "Det"):
        shape = (1, 3) if operator == "Det" else image
        opset = 18 if operator == "Mish" else 17
        yield (
            f"op_{operator.lower()}.onnx",
            model_of([(operator, ["x"], ["y"])], outputs=[value("y", shape)], opset=opset),
        )
    yield "softmax_over_channels.onnx", _unary("Softmax", axis=1)
    yield (
        "instance_norm.onnx",
        model_of(
            [("InstanceNormalization", ["x", "s", "b"], ["y"])],
            outputs=[value("y", image)],
            constants={"s": np.ones(3, np.float32), "b": np.zeros(3, np.float32)},
        ),
    )
    yield "global_pool.onnx", _unary("GlobalAveragePool", (1, 3, 1, 1))
    yield (
        "conv_group.onnx",
        model_of(
            [("Conv", ["x", "w"], ["y"], {"group": 3})],
            outputs=[value("y", (1, 3, 14, 14))],
            constants={"w": weights(3, 1, 3, 3)},
        ),
    )
    yield (
        "conv_dilated.onnx",
        model_of(
            [("Conv", ["x", "w"], ["y"], {"dilations": [3, 3]})],
            outputs=[value("y", (1, 4, 10, 10))],
            constants={"w": weights(4, 3, 3, 3)},
        ),
    )
    yield (
        "conv_transposed.onnx",
        model_of(
            [("ConvTranspose", ["x", "w"], ["y"], {"strides": [2, 2]})],
            outputs=[value("y", (1, 4, 33, 33))],
            constants={"w": weights(3, 4, 3, 3)},
        ),
    )
    yield (
        "conv_1d.onnx",
        model_of(
            [("Conv", ["x", "w"], ["y"])],
            inputs=[value("x", (1, 3, 64))],
            outputs=[value("y", (1, 4, 56))],
            constants={"w": weights(4, 3, 9)},
        ),
    )
    yield (
        "conv_3d.onnx",
        model_of(
            [("Conv", ["x", "w"], ["y"])],
            inputs=[value("x", (1, 1, 8, 8, 8))],
            outputs=[value("y", (1, 4, 6, 6, 6))],
            constants={"w": weights(4, 1, 3, 3, 3)},
        ),
    )
    yield (
        "difference_of_two.onnx",
        model_of(
            [("Sub", ["a", "b"], ["y"])],
            inputs=[value("a", (1, 8)), value("b", (1, 8))],
            outputs=[value("y", (1, 8))],
        ),
    )
    yield (
        "picture_and_number.onnx",
        model_of(
            [("Mul", ["x", "gain"], ["y"])],
            inputs=[value("x", image), value("gain", ())],
            outputs=[value("y", image)],
        ),
    )
    yield (
        "no_input.onnx",
        model_of(
            [("Identity", ["w"], ["y"])],
            inputs=[],
            outputs=[value("y", (4,))],
            constants={"w": weights(4)},
        ),
    )
    yield (
        "two_outputs.onnx",
        model_of(
            [("Relu", ["x"], ["a"]), ("Neg", ["x"], ["b"])],
            outputs=[value("a", image), value("b", image)],
        ),
    )
    yield (
        "an_input_is_an_output.onnx",
        model_of([("Relu", ["x"], ["y"])], outputs=[value("y", image), value("x", image)]),
    )
    yield "output_of_open_rank.onnx", _unary("Relu", None)
    for dtype, name in ((HALF, "half"), (DOUBLE, "double"), (UINT8, "uint8"), (BOOL, "bool"),
                        (INT32, "int32"), (BFLOAT16, "bfloat16"), (STRING, "text")):  # fmt: skip
        yield (
            f"dtype_{name}.onnx",
            model_of(
                [("Identity", ["x"], ["y"])],
                inputs=[value("x", image, dtype)],
                outputs=[value("y", image, dtype)],
            ),
        )
    yield (
        "cast_to_half.onnx",
        model_of(
            [("Cast", ["x"], ["h"], {"to": HALF}), ("Cast", ["h"], ["y"], {"to": FLOAT})],
            outputs=[value("y", image)],
        ),
    )
    yield (
        "quantized.onnx",
        model_of(
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
            model_of(
                [("Relu", ["x"], ["y"])],
                inputs=[value("x", shape)],
                outputs=[value("y", shape)],
            ),
        )
    yield (
        "open_rank.onnx",
        model_of([("Relu", ["x"], ["y"])], inputs=[value("x", None)], outputs=[value("y", None)]),
    )
    yield (
        "fixed_batch_of_4.onnx",
        model_of(
            [("Relu", ["x"], ["y"])],
            inputs=[value("x", (4, 8))],
            outputs=[value("y", (4, 8))],
        ),
    )
    for rows in (1, 30, 5_000):
        yield (
            f"ids_of_{rows}.onnx",
            model_of(
                [("Gather", ["table", "ids"], ["y"])],
                inputs=[value("ids", (1, 16), INT64)],
                outputs=[value("y", (1, 16, 4))],
                constants={"table": weights(rows, 4)},
            ),
        )
    yield (
        "ids_behind_a_cast.onnx",
        model_of(
            [("Cast", ["ids"], ["a"], {"to": INT64}), ("Gather", ["table", "a"], ["y"])],
            inputs=[value("ids", (1, 16))],
            outputs=[value("y", (1, 16, 4))],
            constants={"table": weights(9, 4)},
        ),
    )
    yield (
        "one_hot.onnx",
        model_of(
            [("OneHot", ["ids", "depth", "values"], ["y"])],
            inputs=[value("ids", (1, 16), INT64)],
            outputs=[value("y", (1, 16, 7))],
            constants={"depth": np.int64(7), "values": np.array([0, 1], np.float32)},
        ),
    )
    yield (
        "constant_answer.onnx",
        model_of(
            [("Mul", ["x", "zero"], ["y"])],
            outputs=[value("y", image)],
            constants={"zero": np.float32(0)},
        ),
    )
    yield (
        "not_a_number.onnx",
        model_of([("Neg", ["x"], ["n"]), ("Log", ["n"], ["y"])], outputs=[value("y", image)]),
    )
    yield (
        "top_k.onnx",
        model_of(
            [("Flatten", ["x"], ["f"]), ("TopK", ["f", "k"], ["y", "at"])],
            outputs=[value("y", (1, 5)), value("at", (1, 5), INT64)],
            constants={"k": np.array([5])},
        ),
    )
    yield (
        "where_it_is_positive.onnx",
        model_of([("NonZero", ["x"], ["y"])], outputs=[value("y", (4, None), INT64)]),
    )
    yield (
        "non_max_suppression.onnx",
        model_of(
            [("NonMaxSuppression", ["boxes", "scores", "most"], ["y"])],
            inputs=[value("boxes", (1, 20, 4)), value("scores", (1, 2, 20))],
            outputs=[value("y", (None, 3), INT64)],
            constants={"most": np.array([5])},
        ),
    )
    yield (
        "random.onnx",
        model_of(
            [("RandomNormalLike", ["x"], ["r"]), ("Add", ["x", "r"], ["y"])],
            outputs=[value("y", image)],
        ),
    )
    yield "if.onnx", branches
    yield "loop.onnx", loop
    yield (
        "lstm.onnx",
        model_of(
            [("LSTM", ["x", "w", "r"], ["", "y"], {"hidden_size": 4})],
            inputs=[value("x", (8, 1, 3))],
            outputs=[value("y", (1, 1, 4))],
            constants={"w": weights(1, 16, 3), "r": weights(1, 16, 4)},
        ),
    )
    yield "sequence_output.onnx", sequence
    yield "zip_map.onnx", zip_map
    yield "tree_ensemble.onnx", scaler
    yield (
        "unknown_operator.onnx",
        model_of(
            [("Unheard", ["x"], ["y"], {"domain": "own"})],
            outputs=[value("y", image)],
            domains={"own": 1},
        ),
    )
    yield (
        "missing_tensor.onnx",
        model_of([("Add", ["x", "nobody"], ["y"])], outputs=[value("y", image)]),
    )
    yield "opset_7.onnx", model_of([("Relu", ["x"], ["y"])], outputs=[value("y", image)], opset=7)
    yield (
        "opset_999.onnx",
        model_of([("Relu", ["x"], ["y"])], outputs=[value("y", image)], opset=999),
    )
    yield "ir_999.onnx", model_of([("Relu", ["x"], ["y"])], outputs=[value("y", image)], ir=999)
    yield from odd_shapes()
    yield (
        "names_in_unicode.onnx",
        model_of(
            [("Relu", ["größe ✓/x:0"], ["y"])],
            inputs=[value("größe ✓/x:0", image)],
            outputs=[value("y", image)],
        ),
    )
