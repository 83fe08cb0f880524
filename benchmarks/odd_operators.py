"""Models that others wrote to test an operator: their shapes are whatever the operator takes.

ONNX: the cases by which the onnx package tests runtimes, and the networks that come with it.
TFLite: functions of TensorFlow, converted. Few have a batch axis, many take sizes, axes or ids.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Build = Callable[[Path], None]

SHAPES = {"scalar": "", "line": "5", "table": "4x6", "cube": "2x3x4", "block": "2x3x4x5x1"}
DTYPES = ("int8", "uint8", "int16", "int32", "int64", "bool", "float16", "float64")


def onnx_cases(every: int) -> Iterator[tuple[str, Build]]:
    """(file name, what writes it): each `every`-th case of the onnx package."""
    import onnx
    from onnx.backend.test.case.node import collect_testcases

    cases = {case.name: case.model for case in collect_testcases(None) if case.model is not None}
    for name in itertools.islice(sorted(cases), 0, None, every):
        content = cases[name].SerializeToString()
        yield f"{name}.onnx", lambda path, content=content: _write(path, content)
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    found = sorted(data.glob("*/*/model.onnx"))
    for model in itertools.islice(found, 0, None, every):
        yield f"{model.parent.name}.onnx", lambda path, model=model: _copy(model, path)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _copy(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)


def tflite_functions() -> Iterator[tuple[str, Build]]:
    """(file name, what writes it)."""
    import tensorflow as tf

    for operator in ("abs", "exp", "floor", "negative", "rsqrt", "sigmoid", "square", "tanh"):
        for name, shape in SHAPES.items():
            yield f"{operator}_{name}.tflite", _converted(getattr(tf.math, operator), shape)
    for dtype in DTYPES:
        yield f"joined_{dtype}.tflite", _converted(lambda x: tf.concat([x, x], 0), f"{dtype}:3")
    for name, function, *inputs in _functions():
        yield f"{name}.tflite", _converted(function, *inputs)


def _functions() -> Iterator[tuple[Any, ...]]:
    """(name, function, its inputs): "int32:1x?" is (1, None) of int32, without a type float32."""
    import tensorflow as tf

    table = tf.constant(np.random.default_rng(0).random((7, 4)), tf.float32)
    window = tf.ones((3, 3, 3, 2))
    yield "fixed_batch", tf.nn.softmax, "4x6"
    yield "no_batch_image", lambda x: tf.nn.conv2d(x[None], window, 1, "SAME")[0], "16x16x3"
    yield "batch_of_images", lambda x: tf.nn.conv2d(x, window, 1, "SAME"), "4x8x8x3"
    yield "signals", lambda x: tf.nn.conv1d(x, tf.ones((3, 2, 4)), 1, "SAME"), "4x9x2"
    yield "two_first_axes", lambda a, b: tf.matmul(a, b, transpose_b=True), "4x6", "3x6"
    yield "product", tf.linalg.matmul, "2x3x4", "2x4x5"
    yield "vectors", lambda a, b: tf.tensordot(a, b, 1), "5", "5"
    yield "broadcast", lambda a, b: a + b, "3x1", "4"
    yield "open_length", lambda x: tf.reduce_mean(x, 1), "1x?x4"
    yield "open_all", tf.nn.relu, "?x?x?"
    yield "lookup", lambda at: tf.gather(table, at), "int32:5"
    yield "lookup_by_scalar", lambda at: tf.gather(table, at), "int32:"
    yield "lookup_along", lambda at: tf.gather(table, at, axis=1), "int32:5"
    yield "lookup_nd", lambda at: tf.gather_nd(table, at), "int32:3x2"
    yield "lookup_twice", lambda at: tf.gather(table, tf.gather(tf.range(5), at)), "int32:5"
    yield "lookup_far", lambda at: tf.gather(table, at * 2), "int32:5"
    yield "lookup_given", tf.gather, "4x6", "int32:5"
    yield "one_hot", lambda at: tf.one_hot(at, 6), "int32:5"
    yield "no_input", lambda: table * 2.0
    yield "input_is_output", tf.identity, "4x6"
    yield "spectrum", tf.signal.rfft, "1x16"
    yield "size_of_complex", tf.abs, "complex64:4"
    yield "empty_output", lambda x: x[:, :0], "4x6"
    yield "empty_input", lambda x: tf.concat([x, table[:, :2]], 1), "7x0"
    yield "repeats", tf.tile, "4x6", "int32:2"
    yield "new_shape", tf.reshape, "1x1", "int32:2"
    yield "filled", lambda to: tf.fill(to, 2.0), "int32:2"
    yield "counted", tf.range, "int32:"
    yield "cut", lambda x, at: tf.slice(x, at, [1, 1]), "4x6", "int32:2"
    yield "padded", tf.pad, "4x6", "int32:2x2"
    yield "reversed", lambda x: tf.reverse(x, [0]), "4x6"
    yield "summed", lambda x: tf.cumsum(x, 1), "4x6"
    yield "along_axis", tf.argmax, "4x6", "int32:"
    yield "best", lambda x: tf.math.top_k(x, 2), "4x6"
    yield "where", lambda x: tf.where(x > 0.5), "4x6"
    yield "unique", tf.unique, "int32:5"
    yield "scattered", lambda at, x: tf.scatter_nd(at, x, [8]), "int32:3x1", "3"
    yield "segments", tf.math.segment_sum, "3x2", "int32:3"
    yield "boxes", lambda b, s: tf.image.non_max_suppression(b, s, 3), "6x4", "6"
    yield "resized", lambda x: tf.image.resize(x, [8, 8]), "2x4x4x1"
    yield "condition", lambda yes, x: tf.cond(yes, lambda: x + 1, lambda: x - 1), "bool:", "4x6"
    yield "times", _counted, "int32:"


def _counted(number: Any) -> Any:
    import tensorflow as tf

    return tf.while_loop(lambda at: at < number, lambda at: (at + 1,), (tf.constant(0),))


def _converted(function: Callable[..., Any], *inputs: str) -> Build:
    import tensorflow as tf

    def call(*given: Any) -> Any:  # without the function's own optional arguments
        return function(*given)

    def write(path: Path) -> None:
        specs = []
        for place, text in enumerate(inputs):
            dtype, _, sizes = text.rpartition(":")
            shape = [None if size == "?" else int(size) for size in sizes.split("x") if size]
            specs.append(tf.TensorSpec(shape, dtype or "float32", name=f"x{place}"))
        concrete = tf.function(call).get_concrete_function(*specs)
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())

    return write
