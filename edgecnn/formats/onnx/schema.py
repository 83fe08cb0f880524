"""Field and enum numbers of onnx.proto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgecnn.formats.wire.mapped import mapped
from edgecnn.formats.wire.protobuf import Message

MODEL_IR, MODEL_GRAPH, MODEL_OPSET, MODEL_METADATA, MODEL_FUNCTION = 1, 7, 8, 14, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE = 1, 5, 11, 12, 13
FUNCTION_NAME, FUNCTION_INPUT, FUNCTION_OUTPUT, FUNCTION_NODE = 1, 4, 5, 7
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_NAME, ATTRIBUTE_FLOAT, ATTRIBUTE_INTEGER, ATTRIBUTE_TEXT = 1, 2, 3, 4
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_INTEGERS, ATTRIBUTE_GRAPHS = 5, 6, 8, 11
TENSOR_DIMS, TENSOR_TYPE, TENSOR_FLOATS, TENSOR_INT32, TENSOR_INT64 = 1, 2, 4, 5, 7
TENSOR_NAME, TENSOR_RAW, TENSOR_DOUBLES, TENSOR_EXTERNAL = 8, 9, 10, 13
VALUE_NAME, VALUE_TYPE = 1, 2
TYPE_TENSOR, TYPE_SEQUENCE, TYPE_MAP, TYPE_SPARSE, TYPE_OPTIONAL = 1, 4, 5, 8, 9

DTYPES: Mapping[int, str] = dict(
    enumerate(
        (
            *("float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"),
            *("float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
            *("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4"),
            *("float4e2m1", "float8e8m0", "uint2", "int2"),
        ),
        start=1,
    )
)
"""TensorProto.DataType, by numpy's names where numpy has them."""


@contextmanager
def opened(path: Path) -> Iterator[Message]:
    """The ModelProto that a file is. Raises ValueError for an empty file, OSError."""
    with mapped(path) as data:
        yield Message.whole(data)


def attributes_of(node: Message) -> Iterator[tuple[str, Message]]:
    """(name, attribute) of a node."""
    for number, attribute in node.messages():
        if number == NODE_ATTRIBUTE:
            yield attribute.text(ATTRIBUTE_NAME), attribute


def attribute_of(node: Message, name: str) -> Message | None:
    """An attribute of a node by its name."""
    return next((part for key, part in attributes_of(node) if key == name), None)
