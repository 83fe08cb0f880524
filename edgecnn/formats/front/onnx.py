"""The front of an .onnx file: its first operators, and where they quantize.

Field numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.formats.front.base import Front, Values, per_channel, stepped
from edgecnn.formats.wire.protobuf import Message

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT = 1, 5, 11
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_TENSOR = 1, 2, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INT32 = 1, 2, 4, 5
_TENSOR_INT64, _TENSOR_NAME, _TENSOR_RAW, _TENSOR_DOUBLES = 7, 8, 9, 10

_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    10: "float16",
    11: "float64",
}
_LIMITS = {2: (0, 255), 3: (-128, 127)}
_ELEMENTWISE = {"Add": "add", "Mul": "mul", "Sub": "sub", "Div": "div"}
_PASSES = {
    *("Cast", "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad", "Resize"),
    *("Upsample", "DequantizeLinear", "Dropout", "CenterCropPad"),
}
_MOST_STEPS = 32
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: Message


def read(path: Path) -> Front | None:
    """See `front.read_front`. Raises ValueError for a file that is not whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graph = Message.whole(data).message(_MODEL_GRAPH)
        if graph is None:
            return None
        return _Graph(graph).front()


class _Graph:
    def __init__(self, graph: Message) -> None:
        self._nodes: list[_Node] = []
        self._tensors: dict[str, Message] = {}
        inputs: list[Message] = []
        for number, part in graph.messages():
            if number == _GRAPH_NODE:
                self._enter(part)
            elif number == _GRAPH_INITIALIZER:
                self._tensors[part.text(_TENSOR_NAME)] = part
            elif number == _GRAPH_INPUT:
                inputs.append(part)
        self._inputs = [part for part in inputs if part.text(1) not in self._tensors]

    def _enter(self, part: Message) -> None:
        operator, outputs = part.text(_NODE_OPERATOR), part.texts(_NODE_OUTPUT)
        if operator == "Constant":
            tensor = _attribute(part, "value", _ATTRIBUTE_TENSOR)
            if tensor is not None and outputs:
                self._tensors[outputs[0]] = tensor
        else:
            self._nodes.append(_Node(operator, part.texts(_NODE_INPUT), outputs, part))

    def front(self) -> Front | None:
        if len(self._inputs) != 1:
            return None
        at = self._inputs[0].text(1)
        front = Front(dtype=_input_dtype(self._inputs[0]))
        if front.dtype in ("int32", "int64"):
            return front
        for _ in range(_MOST_STEPS):
            users = [node for node in self._nodes if at in node.inputs]
            if len(users) != 1 or not users[0].outputs:
                break
            behind = self._behind(front, users[0], at)
            if behind is None:
                break
            front, at = behind, users[0].outputs[0]
        return front

    def _behind(self, front: Front, node: _Node, at: str) -> Front | None:
        inputs = node.inputs
        if node.operator in ("QuantizeLinear", "DequantizeLinear") and inputs[0] == at:
            return self._ranged(front, inputs)
        if node.operator in _PASSES:
            return front if inputs[0] == at else None
        if node.operator == "BatchNormalization":
            return self._normalized(front, node)
        operation = _ELEMENTWISE.get(node.operator)
        if operation is None or len(inputs) != 2:
            return None
        value = self._constant(inputs[1] if inputs[0] == at else inputs[0])
        after = inputs[0] != at
        return value if value is None else stepped(front, operation, value, constant_first=after)

    def _ranged(self, front: Front, inputs: Sequence[str]) -> Front | None:
        scale = self._constant(inputs[1]) if len(inputs) > 1 else None
        zero = self._tensors.get(inputs[2]) if len(inputs) > 2 else None
        kind = zero.integer(_TENSOR_TYPE) if zero is not None else 2
        limits = _LIMITS.get(kind or 0)
        offset = self._constant(inputs[2]) if zero is not None else np.asarray(0.0)
        if scale is None or offset is None or limits is None or scale.size != 1 != offset.size:
            return None
        step, middle = float(scale.flat[0]), float(offset.flat[0])
        return front.ranged((limits[0] - middle) * step, (limits[1] - middle) * step)

    def _normalized(self, front: Front, node: _Node) -> Front | None:
        values = [self._constant(name) for name in node.inputs[1:5]]
        if len(values) != 4 or any(value is None for value in values):
            return None
        factor, added, mean, variance = (np.asarray(value) for value in values)
        epsilon = _float_attribute(node.message, "epsilon", 1e-5)
        slope = per_channel(factor / np.sqrt(variance + epsilon))
        shift = per_channel(added - mean * factor / np.sqrt(variance + epsilon))
        if slope is None or shift is None:
            return None
        return front.times(slope, "BatchNormalization").plus(shift, "")

    def _constant(self, name: str) -> Values | None:
        tensor = self._tensors.get(name)
        return None if tensor is None else _values(tensor)


def _values(tensor: Message) -> Values | None:
    """The numbers of a tensor inside of the file; None where it lies elsewhere or is large."""
    dtype = _TYPES.get(tensor.integer(_TENSOR_TYPE) or 0)
    shape = tensor.integers(_TENSOR_DIMS)
    if dtype is None:
        return None
    raw = tensor.message(_TENSOR_RAW)
    if raw is not None:
        content = raw.content()
    elif dtype in ("float32", "float64"):
        packed = tensor.message(_TENSOR_FLOATS if dtype == "float32" else _TENSOR_DOUBLES)
        if packed is None:
            return None
        content = packed.content()
    else:
        numbers = tensor.integers(_TENSOR_INT64 if dtype == "int64" else _TENSOR_INT32)
        if dtype == "float16":  # kept as the bits of a half in an int32
            content = np.asarray(numbers, "<u2").tobytes()
        else:
            return np.asarray(numbers, np.float64).reshape(shape)
    if len(content) > _MOST_BYTES:
        return None
    values = np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(np.float64)
    return values.reshape(shape)


def _input_dtype(info: Message) -> str:
    kind = info.message(2)
    tensor = kind.message(1) if kind else None
    return _TYPES.get((tensor.integer(1) if tensor else None) or 0, "other")


def _attribute(node: Message, name: str, field: int) -> Message | None:
    for number, part in node.messages():
        if number == _NODE_ATTRIBUTE and part.text(_ATTRIBUTE_NAME) == name:
            return part.message(field)
    return None


def _float_attribute(node: Message, name: str, default: float) -> float:
    """A float attribute: a field of four bytes, which `Message` leaves unread."""
    key = bytes([_ATTRIBUTE_FLOAT << 3 | 5])
    for number, part in node.messages():
        if number == _NODE_ATTRIBUTE and part.text(_ATTRIBUTE_NAME) == name:
            content = part.content()
            at = content.find(key, 2 + len(name))
            if 0 <= at <= len(content) - 5:
                return float(np.frombuffer(content[at + 1 : at + 5], "<f4")[0])
    return default
