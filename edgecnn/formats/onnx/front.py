"""The front of an .onnx file: its first operators, and where they quantize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.formats.front import InputOperators, Values, per_channel, stepped
from edgecnn.formats.onnx.schema import (
    ATTRIBUTE_FLOAT,
    ATTRIBUTE_TENSOR,
    DTYPES,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    TENSOR_DIMS,
    TENSOR_DOUBLES,
    TENSOR_FLOATS,
    TENSOR_INT32,
    TENSOR_INT64,
    TENSOR_NAME,
    TENSOR_RAW,
    TENSOR_TYPE,
    TYPE_TENSOR,
    VALUE_NAME,
    VALUE_TYPE,
    attribute_of,
    opened,
)
from edgecnn.formats.wire.protobuf import Message

_NUMBERS = {"float32", "uint8", "int8", "int16", "int32", "int64", "float16", "float64"}
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


def read(path: Path) -> InputOperators | None:
    """See `front.read_front`. Raises ValueError for a file that is not whole."""
    with opened(path) as model:
        graph = model.message(MODEL_GRAPH)
        if graph is None:
            return None
        return _Graph(graph).front()


class _Graph:
    def __init__(self, graph: Message) -> None:
        self._nodes: list[_Node] = []
        self._tensors: dict[str, Message] = {}
        inputs: list[Message] = []
        for number, part in graph.messages():
            if number == GRAPH_NODE:
                self._enter(part)
            elif number == GRAPH_INITIALIZER:
                self._tensors[part.text(TENSOR_NAME)] = part
            elif number == GRAPH_INPUT:
                inputs.append(part)
        self._inputs = [part for part in inputs if part.text(VALUE_NAME) not in self._tensors]

    def _enter(self, part: Message) -> None:
        operator, outputs = part.text(NODE_OPERATOR), part.texts(NODE_OUTPUT)
        if operator == "Constant":
            value = attribute_of(part, "value")
            tensor = value.message(ATTRIBUTE_TENSOR) if value else None
            if tensor is not None and outputs:
                self._tensors[outputs[0]] = tensor
        else:
            self._nodes.append(_Node(operator, part.texts(NODE_INPUT), outputs, part))

    def front(self) -> InputOperators | None:
        if len(self._inputs) != 1:
            return None
        at = self._inputs[0].text(VALUE_NAME)
        front = InputOperators(dtype=_input_dtype(self._inputs[0]))
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

    def _behind(self, front: InputOperators, node: _Node, at: str) -> InputOperators | None:
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

    def _ranged(self, front: InputOperators, inputs: Sequence[str]) -> InputOperators | None:
        scale = self._constant(inputs[1]) if len(inputs) > 1 else None
        zero = self._tensors.get(inputs[2]) if len(inputs) > 2 else None
        kind = zero.integer(TENSOR_TYPE) if zero is not None else 2
        limits = _LIMITS.get(kind or 0)
        offset = self._constant(inputs[2]) if zero is not None else np.asarray(0.0)
        if scale is None or offset is None or limits is None:
            return None
        if scale.size != 1 or offset.size != 1:
            return None
        step, middle = float(scale.flat[0]), float(offset.flat[0])
        return front.ranged((limits[0] - middle) * step, (limits[1] - middle) * step)

    def _normalized(self, front: InputOperators, node: _Node) -> InputOperators | None:
        values = [self._constant(name) for name in node.inputs[1:5]]
        if len(values) != 4 or any(value is None for value in values):
            return None
        factor, added, mean, variance = (np.asarray(value) for value in values)
        declared = attribute_of(node.message, "epsilon")
        epsilon = declared.float32(ATTRIBUTE_FLOAT) if declared else None
        epsilon = 1e-5 if epsilon is None else epsilon
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
    dtype = DTYPES.get(tensor.integer(TENSOR_TYPE) or 0)
    shape = tensor.integers(TENSOR_DIMS)
    if dtype not in _NUMBERS:
        return None
    raw = tensor.message(TENSOR_RAW)
    if raw is not None:
        content = raw.content()
    elif dtype in ("float32", "float64"):
        packed = tensor.message(TENSOR_FLOATS if dtype == "float32" else TENSOR_DOUBLES)
        if packed is None:
            return None
        content = packed.content()
    else:
        numbers = tensor.integers(TENSOR_INT64 if dtype == "int64" else TENSOR_INT32)
        if dtype == "float16":  # kept as the bits of a half in an int32
            content = np.asarray(numbers, "<u2").tobytes()
        else:
            return np.asarray(numbers, np.float64).reshape(shape)
    if len(content) > _MOST_BYTES:
        return None
    values = np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(np.float64)
    return values.reshape(shape)


def _input_dtype(info: Message) -> str:
    kind = info.message(VALUE_TYPE)
    tensor = kind.message(TYPE_TENSOR) if kind else None
    dtype = DTYPES.get((tensor.integer(1) if tensor else None) or 0, "")
    return dtype if dtype in _NUMBERS else "other"
