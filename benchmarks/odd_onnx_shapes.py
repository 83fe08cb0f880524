"""ONNX models whose inputs and outputs have other axes than those of a batch of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from odd_onnx_builder import INT64, Build, Shape, model_of, value, weights
from odd_onnx_graphs import optional_input, sequence_input


def odd_shapes() -> Iterator[tuple[str, Build]]:
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
            model_of(
                [("Relu", ["x"], ["y"])],
                inputs=[value("x", shape)],
                outputs=[value("y", shape)],
            ),
        )
    yield (
        "different_first_axes.onnx",
        model_of(
            [("MatMul", ["a", "b"], ["y"])],
            inputs=[value("a", (4, 6)), value("b", (6, 3))],
            outputs=[value("y", (4, 3))],
        ),
    )
    yield "no_operators.onnx", model_of([], outputs=[value("x", (1, 3, 16, 16))])
    yield (
        "constant_alone.onnx",
        model_of([], inputs=[], outputs=[value("w", (4,))], constants={"w": weights(4)}),
    )
    yield (
        "empty_output.onnx",
        model_of(
            [("Slice", ["x", "at", "to"], ["y"])],
            inputs=[value("x", (4, 8))],
            outputs=[value("y", (0, 8))],
            constants={"at": np.array([0]), "to": np.array([0])},
        ),
    )
    yield (
        "size_given.onnx",
        model_of(
            [("Reshape", ["x", "to"], ["y"])],
            inputs=[value("x", (1, 1)), value("to", (2,), INT64)],
            outputs=[value("y", None)],
        ),
    )
    yield (
        "ids_of_a_given_table.onnx",
        model_of(
            [("Gather", ["table", "ids"], ["y"])],
            inputs=[value("table", (5, 2)), value("ids", (3,), INT64)],
            outputs=[value("y", (3, 2))],
        ),
    )
    yield (
        "ids_behind_arithmetic.onnx",
        model_of(
            [("Mul", ["ids", "two"], ["far"]), ("Gather", ["table", "far"], ["y"])],
            inputs=[value("ids", (3,), INT64)],
            outputs=[value("y", (3, 2))],
            constants={"table": weights(6, 2), "two": np.array([2])},
        ),
    )
    yield "sequence_input.onnx", sequence_input
    yield "optional_input.onnx", optional_input
