"""The signature of an .onnx file, read without the onnx package.

Runtimes need to know inputs, outputs and their open dimensions before they compile, and OpenCV
never tells them at all. ONNX is a protocol buffer, whose wire format is a few lines to read.
Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.wire.protobuf import Message
from edgecnn.manifest import TensorSpec, check_model_path
from edgecnn.runtimes.shapes import Dimension, check_dtype, fix_shapes
from edgecnn.runtimes.tensors import guess_layout

DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_OPERATOR, _NODE_ATTRIBUTE = 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGERS = 1, 8


@dataclass(frozen=True)
class Value:
    """An input or output. `shape` is None when its rank is open; `dtype` is numpy's name."""

    name: str
    dtype: str
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True)
class Signature:
    """What goes into a graph, what comes out, and how often each operator stands in it."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: Mapping[str, int]
    kernels: frozenset[tuple[int, ...]] = frozenset()
    """Sizes of the windows of convolutions, where their nodes tell."""


def read_signature(path: Path) -> Signature:
    """Read a model file. Raises InputError for anything but a complete ONNX model."""
    path = check_model_path(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            signature = _model(Message.whole(data))
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{path.name}: not a complete ONNX model ({error})",
            hint="the file is damaged or incomplete: copy or convert it again",
        ) from error
    return signature


def fixed_inputs(signature: Signature, batch: int) -> tuple[TensorSpec, ...]:
    """The inputs with `batch` in place of an open first dimension.

    Raises InputError for another open dimension or another batch, UnsupportedError for text.
    """
    for value in (*signature.inputs, *signature.outputs):
        check_dtype(value.name, value.dtype)
    shapes = fix_shapes([(value.name, value.shape or ()) for value in signature.inputs], batch)
    return tuple(
        TensorSpec(value.name, shape, value.dtype, guess_layout(shape, value.dtype))
        for value, shape in zip(signature.inputs, shapes, strict=True)
    )


def declared_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs, open dimensions None (a value of open rank has no dimensions)."""
    found = []
    for value in signature.outputs:
        shape = tuple(size if isinstance(size, int) else None for size in value.shape or ())
        found.append(TensorSpec(value.name, shape, value.dtype, guess_layout(shape)))
    return tuple(found)


def _model(model: Message) -> Signature:
    graphs = [graph for number, graph in model.messages() if number == _MODEL_GRAPH]
    if not graphs:
        raise ValueError("it holds no graph")
    inputs: list[Value] = []
    outputs: list[Value] = []
    constants: set[str] = set()
    operators: Counter[str] = Counter()
    kernels: set[tuple[int, ...]] = set()
    for number, part in graphs[0].messages():
        if number == _GRAPH_NODE:
            operator = part.text(_NODE_OPERATOR)
            operators[operator] += 1
            if operator == "Conv":
                kernels |= set(_kernels(part))
        elif number == _GRAPH_INITIALIZER:
            constants.add(part.text(8))
        elif number == _GRAPH_INPUT:
            inputs.append(_value(part))
        elif number == _GRAPH_OUTPUT:
            outputs.append(_value(part))
    if not operators or not outputs:
        raise ValueError("its graph is empty")
    # Before IR version 4 every initializer had to be listed as an input as well.
    inputs = [value for value in inputs if value.name not in constants]
    return Signature(tuple(inputs), tuple(outputs), operators, frozenset(kernels))


def _kernels(node: Message) -> Iterator[tuple[int, ...]]:
    for number, attribute in node.messages():
        if number == _NODE_ATTRIBUTE and attribute.text(_ATTRIBUTE_NAME) == "kernel_shape":
            yield attribute.integers(_ATTRIBUTE_INTEGERS)


def _value(info: Message) -> Value:
    name = info.text(1)
    kind = info.message(2)
    tensor = kind.message(1) if kind else None
    if tensor is None:
        return Value(name, "no tensor", None)
    shape = tensor.message(2)
    dimensions = None
    if shape is not None:
        dimensions = tuple(_dimension(part) for number, part in shape.messages() if number == 1)
    return Value(name, DTYPES.get(tensor.integer(1) or 0, "unknown"), dimensions)


def _dimension(dimension: Message) -> Dimension:
    size = dimension.integer(1)
    return size if size is not None else dimension.text(2) or None
