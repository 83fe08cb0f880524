"""The nodes of an .onnx file's main graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecnn.formats.layers import FileLayer
from edgecnn.formats.onnx.schema import (
    DTYPES,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    GRAPH_VALUE,
    MODEL_GRAPH,
    NODE_DOMAIN,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    TENSOR_DIMS,
    TENSOR_NAME,
    TYPE_TENSOR,
    VALUE_NAME,
    VALUE_TYPE,
    opened,
)
from edgecnn.formats.sizes import elements
from edgecnn.formats.wire.protobuf import Message

_NODE_NAME = 3
_TENSOR_TYPE, _TENSOR_SHAPE, _SHAPE_DIMENSION, _DIMENSION_SIZE = 1, 2, 1, 1
_STANDARD = ("", "ai.onnx")
_SILENT = ("Constant",)


def layers(path: Path) -> Iterator[FileLayer]:
    """See `formats.layers.read_layers`. Raises ValueError for a file that is not whole."""
    with opened(path) as model:
        graph = model.message(MODEL_GRAPH)
        if graph is None:
            return
        sizes: dict[str, int] = {}
        values: dict[str, tuple[tuple[int | None, ...] | None, str]] = {}
        for number, part in graph.messages():
            if number == GRAPH_INITIALIZER:
                dims = part.integers(TENSOR_DIMS)
                sizes[part.text(TENSOR_NAME)] = elements(dims)
            elif number in (GRAPH_VALUE, GRAPH_OUTPUT):
                values[part.text(VALUE_NAME)] = _kind(part)
        for number, part in graph.messages():
            if number == GRAPH_NODE and part.text(NODE_OPERATOR) not in _SILENT:
                yield _layer(part, sizes, values)


def _layer(
    node: Message,
    sizes: dict[str, int],
    values: dict[str, tuple[tuple[int | None, ...] | None, str]],
) -> FileLayer:
    outputs = node.texts(NODE_OUTPUT)
    first = outputs[0] if outputs else ""
    shape, dtype = values.get(first, (None, ""))
    domain = node.text(NODE_DOMAIN)
    operator = node.text(NODE_OPERATOR)
    return FileLayer(
        name=node.text(_NODE_NAME) or first,
        operator=operator if domain in _STANDARD else f"{domain}.{operator}",
        shape=shape,
        dtype=dtype,
        weights=sum(sizes.get(name, 0) for name in node.texts(NODE_INPUT)),
    )


def _kind(value: Message) -> tuple[tuple[int | None, ...] | None, str]:
    """(shape, dtype) of a value; what it leaves open is None."""
    kind = value.message(VALUE_TYPE)
    tensor = kind.message(TYPE_TENSOR) if kind else None
    if tensor is None:
        return None, ""
    shape = tensor.message(_TENSOR_SHAPE)
    dtype = DTYPES.get(tensor.integer(_TENSOR_TYPE) or 0, "")
    if shape is None:
        return None, dtype
    return tuple(
        dimension.integer(_DIMENSION_SIZE)
        for number, dimension in shape.messages()
        if number == _SHAPE_DIMENSION
    ), dtype
