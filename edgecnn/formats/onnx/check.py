"""Check that an .onnx file is complete, and list the other files it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from edgecnn.formats.external import ExternalRange
from edgecnn.formats.onnx.schema import (
    ATTRIBUTE_INTEGER,
    ATTRIBUTE_TEXT,
    MODEL_GRAPH,
    MODEL_IR,
    MODEL_OPSET,
    NODE_OPERATOR,
    TENSOR_DIMS,
    TENSOR_EXTERNAL,
    TENSOR_NAME,
    TENSOR_TYPE,
    attributes_of,
)
from edgecnn.formats.sizes import elements
from edgecnn.formats.wire.mapped import mapped
from edgecnn.formats.wire.protobuf import Message

# Where messages of onnx.proto hold others: every place that a tensor can be in.
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_BITS = {
    1: 32,
    2: 8,
    3: 8,
    4: 16,
    5: 16,
    6: 32,
    7: 64,
    9: 8,
    10: 16,
    11: 64,
    12: 32,
    13: 64,
    14: 64,
    15: 128,
    16: 16,
    17: 8,
    18: 8,
    19: 8,
    20: 8,
    21: 4,
    22: 4,
    23: 4,
    24: 8,
    25: 2,
    26: 2,
}
"""Bits of an element by TensorProto.DataType."""
_MARKS = (b"location", b"EPContext")
"""Nothing outside is read without one of these words in the file."""


def examine(path: Path) -> list[ExternalRange]:
    """What the model reads from other files.

    Raises ValueError for a file that breaks off, that is not an ONNX model, or that is nested or
    filled beyond all measure.
    """
    with mapped(path) as data:
        model = Message.whole(data)
        parts = {number for number, _ in model.messages()}
        if MODEL_GRAPH not in parts:
            raise ValueError("it holds no graph")
        if MODEL_OPSET not in parts and (model.integer(MODEL_IR) or 0) >= 3:
            raise ValueError("it names no opset, which follows the graph in the file")
        if not any(data.find(mark) >= 0 for mark in _MARKS):
            return []
        return list(_external(model))


def _external(model: Message) -> Iterator[ExternalRange]:
    waiting: list[tuple[str, Message]] = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        if kind == "tensor":
            yield from _of_tensor(message)
            continue
        if kind == "node":
            yield from _of_context(message)
        children = _CHILDREN[kind]
        waiting.extend(
            (children[number], part) for number, part in message.messages() if number in children
        )


def _of_tensor(tensor: Message) -> Iterator[ExternalRange]:
    """A tensor with a location counts as external, whatever its `data_location` says: a second
    copy of the field elsewhere in the file could still change that.
    """
    entries: dict[str, str] = {}
    for number, part in tensor.messages():
        if number == TENSOR_EXTERNAL:
            key = part.text(1)
            if key == "location" and key in entries:
                raise ValueError("a tensor has two locations")
            entries[key] = part.text(2)
    if "location" not in entries:
        return
    offset, length = _whole(entries, "offset"), _whole(entries, "length")
    dimensions = tensor.integers(TENSOR_DIMS)
    if any(size < 0 for size in dimensions):
        raise ValueError("a tensor has a negative dimension")
    bits = _BITS.get(tensor.integer(TENSOR_TYPE) or 0, 0)
    needed = (elements(dimensions) * bits + 7) // 8
    yield ExternalRange(
        tensor.text(TENSOR_NAME) or "a tensor", entries["location"], offset, max(length, needed)
    )


def _whole(entries: Mapping[str, str], key: str) -> int:
    text = entries.get(key, "0").strip() or "0"
    if not text.isdecimal() or not text.isascii() or len(text) > 19:
        raise ValueError(f"the {key} of external weights is {text[:40]!r}")
    return int(text)


def _of_context(node: Message) -> Iterator[ExternalRange]:
    """Compiled for one device, a model may keep its program in another file (EPContext)."""
    if node.text(NODE_OPERATOR) != "EPContext":
        return
    embedded, place = 1, ""
    for name, attribute in attributes_of(node):
        if name == "embed_mode":
            embedded = attribute.integer(ATTRIBUTE_INTEGER) or 0
        elif name == "ep_cache_context":
            part = attribute.message(ATTRIBUTE_TEXT)
            place = part.content()[:4096].decode("utf-8", "replace") if part else ""
    if not embedded and place:
        yield ExternalRange("EPContext", place)
