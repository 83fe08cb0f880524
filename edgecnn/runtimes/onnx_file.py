"""The signature of an .onnx file, read without the onnx package.

Runtimes need to know inputs, outputs and their open dimensions before they compile, and OpenCV
never tells them at all. ONNX is a protocol buffer, whose wire format is a few lines to read.
Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.wire.protobuf import Message
from edgecnn.manifest import TensorSpec, check_model_path
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.shapes import Dimension, check_dtype, check_outputs, fix_shapes, is_numeric
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
_MODEL_IR, _MODEL_GRAPH, _MODEL_OPSET = 1, 7, 8
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGERS = 1, 8
_TYPE_TENSOR, _TYPE_SEQUENCE, _TYPE_MAP, _TYPE_SPARSE, _TYPE_OPTIONAL = 1, 4, 5, 8, 9


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
    producers: Mapping[str, str] = field(default_factory=dict)
    """The operator that makes each output, as in "ZipMap (ai.onnx.ml)"."""
    ir_version: int | None = None
    opsets: Mapping[str, int] = field(default_factory=dict)
    """Version of each set of operators, by its domain."""

    @property
    def versions(self) -> str:
        """As in "IR 8, opset 17, ai.onnx.ml 3"."""
        sets = [
            f"opset {version}" if domain == "ai.onnx" else f"{domain} {version}"
            for domain, version in sorted(
                self.opsets.items(), key=lambda each: each[0] != "ai.onnx"
            )
        ]
        return ", ".join([f"IR {self.ir_version or '?'}", *sets])


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


def fixed_inputs(signature: Signature, options: RuntimeOptions) -> tuple[TensorSpec, ...]:
    """The inputs with the batch in place of an open first dimension, and `options.shape` in place
    of other open ones.

    Raises InputError for a dimension that stays open or another batch, UnsupportedError for
    text.
    """
    for value in signature.inputs:
        check_dtype(value.name, value.dtype)
    declared = [(value.name, value.shape) for value in signature.inputs]
    shapes = fix_shapes(declared, options.batch, options.shape)
    return tuple(
        TensorSpec(value.name, shape, value.dtype, guess_layout(shape, value.dtype))
        for value, shape in zip(signature.inputs, shapes, strict=True)
    )


def declared_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs, open dimensions None (a value of open rank has no dimensions).

    Raises UnsupportedError for an output that is no tensor of numbers.
    """
    check_outputs([(value.name, value.dtype) for value in signature.outputs], signature.producers)
    return tuple(_declared(value) for value in signature.outputs)


def numeric_outputs(signature: Signature) -> tuple[TensorSpec, ...]:
    """The outputs that are tensors of numbers, as `declared_outputs`; others are left out."""
    return tuple(_declared(value) for value in signature.outputs if is_numeric(value.dtype))


def _declared(value: Value) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape or ())
    return TensorSpec(value.name, shape, value.dtype, guess_layout(shape))


def _model(model: Message) -> Signature:
    graphs = [graph for number, graph in model.messages() if number == _MODEL_GRAPH]
    if not graphs:
        raise ValueError("it holds no graph")
    inputs: list[Value] = []
    outputs: list[Value] = []
    constants: set[str] = set()
    operators: Counter[str] = Counter()
    kernels: set[tuple[int, ...]] = set()
    made_by: dict[str, str] = {}
    for number, part in graphs[0].messages():
        if number == _GRAPH_NODE:
            operator = part.text(_NODE_OPERATOR)
            operators[operator] += 1
            domain = part.text(_NODE_DOMAIN)
            named = f"{operator} ({domain})" if domain else operator
            made_by.update(dict.fromkeys(part.texts(_NODE_OUTPUT), named))
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
    return Signature(
        tuple(inputs),
        tuple(outputs),
        operators,
        frozenset(kernels),
        {value.name: made_by[value.name] for value in outputs if value.name in made_by},
        model.integer(_MODEL_IR),
        {
            part.text(1) or "ai.onnx": part.integer(2) or 0
            for number, part in model.messages()
            if number == _MODEL_OPSET
        },
    )


def _kernels(node: Message) -> Iterator[tuple[int, ...]]:
    for number, attribute in node.messages():
        if number == _NODE_ATTRIBUTE and attribute.text(_ATTRIBUTE_NAME) == "kernel_shape":
            yield attribute.integers(_ATTRIBUTE_INTEGERS)


def _value(info: Message) -> Value:
    name = info.text(1)
    kind = info.message(2)
    tensor = kind.message(_TYPE_TENSOR) if kind else None
    if tensor is None:
        return Value(name, _kind(kind) if kind else "of no declared type", None)
    shape = tensor.message(2)
    dimensions = None
    if shape is not None:
        dimensions = tuple(_dimension(part) for number, part in shape.messages() if number == 1)
    return Value(name, DTYPES.get(tensor.integer(1) or 0, "unknown"), dimensions)


def _kind(kind: Message) -> str:
    """A type that is no tensor, in words: "a sequence of maps from string to float32"."""
    for number, inner in kind.messages():
        if number == _TYPE_TENSOR:
            return f"tensors of {DTYPES.get(inner.integer(1) or 0, 'unknown')}"
        if number == _TYPE_MAP:
            value = inner.message(2)
            key = DTYPES.get(inner.integer(1) or 0, "unknown")
            return f"maps from {key} to {_kind(value) if value else 'unknown'}"
        if number in (_TYPE_SEQUENCE, _TYPE_OPTIONAL):
            element = inner.message(1)
            what = "a sequence of" if number == _TYPE_SEQUENCE else "optional"
            return f"{what} {_kind(element) if element else 'unknown'}"
        if number == _TYPE_SPARSE:
            return "a sparse tensor"
    return "of an unknown type"


def _dimension(dimension: Message) -> Dimension:
    size = dimension.integer(1)
    return size if size is not None else dimension.text(2) or None
