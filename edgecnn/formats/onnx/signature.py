"""The signature of an .onnx file, read without the onnx package.

Runtimes need to know inputs, outputs and their open dimensions before they compile, and OpenCV
never states them at all.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgecnn.formats.onnx.schema import (
    ATTRIBUTE_INTEGERS,
    DTYPES,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    MODEL_GRAPH,
    MODEL_IR,
    MODEL_OPSET,
    NODE_DOMAIN,
    NODE_OPERATOR,
    NODE_OUTPUT,
    TENSOR_NAME,
    TYPE_MAP,
    TYPE_OPTIONAL,
    TYPE_SEQUENCE,
    TYPE_SPARSE,
    TYPE_TENSOR,
    VALUE_NAME,
    VALUE_TYPE,
    attribute_of,
    opened,
)
from edgecnn.formats.signature import Dimension, Signature, Value
from edgecnn.formats.wire.protobuf import Message

_HOLDERS = {TYPE_SEQUENCE: "sequence", TYPE_MAP: "map", TYPE_OPTIONAL: "optional"}


def read(path: Path) -> Signature:
    """See `Format.signature`. Raises ValueError or IndexError for a file that is not whole."""
    with opened(path) as model:
        return _model(model)


def _model(model: Message) -> Signature:
    graphs = [graph for number, graph in model.messages() if number == MODEL_GRAPH]
    if not graphs:
        raise ValueError("it holds no graph")
    inputs: list[Value] = []
    outputs: list[Value] = []
    constants: set[str] = set()
    operators: Counter[str] = Counter()
    kernels: set[tuple[int, ...]] = set()
    made_by: dict[str, str] = {}
    for number, part in graphs[0].messages():
        if number == GRAPH_NODE:
            operator = part.text(NODE_OPERATOR)
            operators[operator] += 1
            domain = part.text(NODE_DOMAIN)
            named = f"{operator} ({domain})" if domain else operator
            made_by.update(dict.fromkeys(part.texts(NODE_OUTPUT), named))
            if operator == "Conv":
                kernel = attribute_of(part, "kernel_shape")
                kernels |= {kernel.integers(ATTRIBUTE_INTEGERS)} if kernel else set()
        elif number == GRAPH_INITIALIZER:
            constants.add(part.text(TENSOR_NAME))
        elif number == GRAPH_INPUT:
            inputs.append(_value(part))
        elif number == GRAPH_OUTPUT:
            outputs.append(_value(part))
    if not outputs:
        raise ValueError("its graph has no output")
    # Before IR version 4 every initializer had to be listed as an input as well.
    inputs = [value for value in inputs if value.name not in constants]
    return Signature(
        tuple(inputs),
        tuple(outputs),
        operators,
        open_ranks_are_scalars=True,
        kernels=frozenset(kernels),
        producers={value.name: made_by[value.name] for value in outputs if value.name in made_by},
        ir_version=model.integer(MODEL_IR),
        opsets={
            part.text(1) or "ai.onnx": part.integer(2) or 0
            for number, part in model.messages()
            if number == MODEL_OPSET
        },
    )


def _value(info: Message) -> Value:
    name = info.text(VALUE_NAME)
    kind = info.message(VALUE_TYPE)
    tensor = kind.message(TYPE_TENSOR) if kind else None
    if tensor is None:
        words = _kind(kind) if kind else "of no declared type"
        inside, element = _element(name, kind) if kind else ((), None)
        return Value(name, words, None, inside=inside, element=element)
    return _tensor_value(name, tensor)


def _tensor_value(name: str, tensor: Message) -> Value:
    shape = tensor.message(2)
    dimensions = None
    if shape is not None:
        dimensions = tuple(_dimension(part) for number, part in shape.messages() if number == 1)
    return Value(name, DTYPES.get(tensor.integer(1) or 0, "unknown"), dimensions)


def _element(name: str, kind: Message) -> tuple[tuple[str, ...], Value | None]:
    """(what holds the tensors of a type, one of these tensors)."""
    for number, inner in kind.messages():
        if number == TYPE_TENSOR:
            return (), _tensor_value(name, inner)
        if number in _HOLDERS:
            part = inner.message(2 if number == TYPE_MAP else 1)
            inside, element = _element(name, part) if part else ((), None)
            return (_HOLDERS[number], *inside), element
    return (), None


def _kind(kind: Message) -> str:
    """A type that is not a tensor, in words: "a sequence of maps from string to float32"."""
    for number, inner in kind.messages():
        if number == TYPE_TENSOR:
            return f"tensors of {DTYPES.get(inner.integer(1) or 0, 'unknown')}"
        if number == TYPE_MAP:
            value = inner.message(2)
            key = DTYPES.get(inner.integer(1) or 0, "unknown")
            return f"maps from {key} to {_kind(value) if value else 'unknown'}"
        if number in (TYPE_SEQUENCE, TYPE_OPTIONAL):
            element = inner.message(1)
            what = "a sequence of" if number == TYPE_SEQUENCE else "optional"
            return f"{what} {_kind(element) if element else 'unknown'}"
        if number == TYPE_SPARSE:
            return "a sparse tensor"
    return "of an unknown type"


def _dimension(dimension: Message) -> Dimension:
    size = dimension.integer(1)
    if size is not None:
        return size if size >= 0 else None
    return dimension.text(2) or None
