"""Metadata of .onnx files (`metadata_props`), and the end of the graph: what an exporter added, or
left out, between the last convolutions and the output.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from edgecnn.formats.metadata import MAX_ENTRIES, MAX_TEXT, ModelMetadata, of_ultralytics
from edgecnn.formats.wire.protobuf import Message

_MODEL_GRAPH, _MODEL_PROPS = 7, 14
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_TENSOR_INT64, _TENSOR_NAME, _TENSOR_RAW = 7, 8, 9
_MOST_NODES = 100_000
_LARGEST_SHAPE = 64
"""Bytes of the constant that a Reshape takes."""
_MOVES = {"Transpose", "Identity", "Squeeze", "Unsqueeze"}


@dataclass(frozen=True)
class _Ending:
    """See `ModelMetadata`."""

    unturned: bool = False
    plain: bool = False


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]


def read(path: Path) -> ModelMetadata:
    """See `metadata.read_metadata`. Raises ValueError for a file that is not whole."""
    texts: dict[str, Any] = {}
    ending = _Ending()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, part in Message.whole(data).messages():
            if number == _MODEL_GRAPH:
                ending = _ending(part)
            elif number == _MODEL_PROPS and part.size <= MAX_TEXT and len(texts) < MAX_ENTRIES:
                texts[part.text(1)] = part.text(2)
    return replace(of_ultralytics(texts), unturned=ending.unturned, plain=ending.plain)


def _ending(graph: Message) -> _Ending:
    made: dict[str, _Node] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    outputs = []
    for number, part in islice(graph.messages(), _MOST_NODES):
        if number == _GRAPH_NODE:
            operator, names = part.text(_NODE_OPERATOR), part.texts(_NODE_OUTPUT)
            if operator == "Constant" and names:
                value = _constant(part)
                if value is not None:
                    shapes[names[0]] = _whole(value)
            made |= dict.fromkeys(names, _Node(operator, part.texts(_NODE_INPUT)))
        elif number == _GRAPH_INITIALIZER:
            shapes[part.text(_TENSOR_NAME)] = _whole(part)
        elif number == _GRAPH_OUTPUT:
            outputs.append(part.text(1))
    last = _behind_moves(outputs[0], made) if len(outputs) == 1 else None
    if last is None or last.operator != "Concat":
        return _Ending()
    rows = [made.get(name, _Node("", ())) for name in last.inputs]
    if not rows or any(row.operator != "Reshape" or len(row.inputs) != 2 for row in rows):
        return _Ending()
    maps = [made.get(row.inputs[0], _Node("", ())) for row in rows]
    joined = all(each.operator == "Concat" for each in maps)
    plain = joined and all(
        made.get(name, _Node("", ())).operator == "Conv" for each in maps for name in each.inputs
    )
    targets = [tuple(size for size in shapes.get(row.inputs[1], ()) if size != 1) for row in rows]
    return _Ending(joined and _cells_first(targets), plain)


def _cells_first(targets: list[tuple[int, ...]]) -> bool:
    """Whether all maps become rows (cells, columns) of the same number of columns."""
    if any(len(target) != 2 or min(target) < 1 for target in targets):
        return False
    columns = {target[1] for target in targets}
    cells = {target[0] for target in targets}
    return len(columns) == 1 and (len(cells) > 1 or len(targets) == 1)


def _behind_moves(name: str, made: Mapping[str, _Node]) -> _Node | None:
    """The node that computes a value, behind those that only move it."""
    for _ in range(8):
        node = made.get(name)
        if node is None or node.operator not in _MOVES or not node.inputs:
            return node
        name = node.inputs[0]
    return None


def _constant(node: Message) -> Message | None:
    for number, part in node.messages():
        if number == _NODE_ATTRIBUTE and part.text(1) == "value":
            return part.message(5)
    return None


def _whole(tensor: Message) -> tuple[int, ...]:
    """The int64 values of a small tensor, empty for any other."""
    raw = tensor.message(_TENSOR_RAW)
    if raw is None:
        return tensor.integers(_TENSOR_INT64) if tensor.size <= 4 * _LARGEST_SHAPE else ()
    if raw.size > _LARGEST_SHAPE or raw.size % 8:
        return ()
    return struct.unpack(f"<{raw.size // 8}q", raw.content())
