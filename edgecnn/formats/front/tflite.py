"""The front of a .tflite file: its first operators, its input's quantization, its metadata.

Field numbers are those of TFLite's schema.fbs and of metadata_schema.fbs.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.formats.front.base import Front, Values, stepped
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table

_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS, _MODEL_METADATA = 1, 2, 4, 6
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OPERATORS = 0, 1, 3
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_QUANTIZATION, _TENSOR_SHAPE = 1, 2, 4, 0
_SCALE, _ZERO_POINT, _AXIS = 2, 3, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1

_ELEMENTWISE = {0: "add", 18: "mul", 41: "sub", 42: "div"}
_QUANTIZE = 114
_PASSES = {
    *(6, 22, 23, 34, 39, 43, 53),  # DEQUANTIZE RESHAPE RESIZE_BILINEAR PAD TRANSPOSE SQUEEZE CAST
    *(60, 70, 97, 100, 105),  # PADV2 EXPAND_DIMS RESIZE_NEAREST MIRROR_PAD REVERSE_V2
}
"""Operators behind which values are what they were."""
_TYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    7: "int16",
    9: "int8",
    10: "float64",
}
_LIMITS = {3: (0, 255), 7: (-32768, 32767), 9: (-128, 127)}
_MOST_STEPS = 32
_TASK_METADATA = "TFLITE_METADATA"
_NORMALIZATION = 1
"""In the union ProcessUnitOptions."""


def read(path: Path) -> Front | None:
    """See `front.read_front`. Raises ValueError or struct.error for a file that is not whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        source = FlatBuffer(data, len(data))
        model = source.table(source.u32(0))
        graph = next(model.tables(_MODEL_SUBGRAPHS), None)
        if graph is None or len(graph.integers(_GRAPH_INPUTS)) != 1:
            return None
        return _with_metadata(_Graph(model, graph).front(), model)


class _Graph:
    def __init__(self, model: Table, graph: Table) -> None:
        self._codes = [max(code.u8(0), code.u32(3)) for code in model.tables(_MODEL_CODES)]
        self._buffers = list(model.tables(_MODEL_BUFFERS))
        self._tensors = list(graph.tables(_GRAPH_TENSORS))
        self._operators = list(graph.tables(_GRAPH_OPERATORS))
        self._input = graph.integers(_GRAPH_INPUTS)[0]

    def front(self) -> Front:
        at = self._input
        front = Front(dtype=_TYPES.get(self._tensors[at].u8(_TENSOR_TYPE), "other"))
        front = self._ranged(front, at)
        for _ in range(_MOST_STEPS):
            users = [one for one in self._operators if at in one.integers(_OPERATOR_INPUTS)]
            if len(users) != 1 or len(users[0].integers(_OPERATOR_OUTPUTS)) != 1:
                break
            code = self._codes[users[0].u32(_OPERATOR_CODE)]
            behind = self._behind(front, code, users[0].integers(_OPERATOR_INPUTS), at)
            if behind is None:
                break
            front, at = behind, users[0].integers(_OPERATOR_OUTPUTS)[0]
            if code == _QUANTIZE:
                front = self._ranged(front, at)
        return front

    def _behind(self, front: Front, code: int, inputs: Sequence[int], at: int) -> Front | None:
        if code in _PASSES or code == _QUANTIZE:
            return front if inputs[0] == at else None
        operation = _ELEMENTWISE.get(code)
        if operation is None or len(inputs) != 2:
            return None
        other = inputs[1] if inputs[0] == at else inputs[0]
        value = self._constant(self._tensors[other])
        if value is None:
            return None
        return stepped(front, operation, value, constant_first=inputs[0] != at)

    def _ranged(self, front: Front, at: int) -> Front:
        tensor = self._tensors[at]
        limits = _LIMITS.get(tensor.u8(_TENSOR_TYPE))
        scales, zeros = _quantization(tensor)
        if limits is None or len(scales) != 1 or not scales[0] > 0:
            return front
        low, high = ((limit - zeros[0]) * scales[0] for limit in limits)
        return front.ranged(low, high)

    def _constant(self, tensor: Table) -> Values | None:
        """The real values of a tensor that the file holds."""
        number = tensor.u32(_TENSOR_BUFFER)
        dtype = _TYPES.get(tensor.u8(_TENSOR_TYPE))
        if dtype is None or not 0 < number < len(self._buffers):
            return None
        start, count = self._buffers[number].vector(0, 1)
        shape = tensor.integers(_TENSOR_SHAPE)
        wanted = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if count != wanted or not count or count > 1 << 20:
            return None
        content = tensor.source.data[start : start + count]
        values = np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(np.float64)
        scales, zeros = _quantization(tensor)
        if len(scales) == 1:
            values = (values - zeros[0]) * scales[0]
        elif len(scales) > 1:
            return None
        return values.reshape(shape)


def _quantization(tensor: Table) -> tuple[list[float], list[int]]:
    table = tensor.table(_TENSOR_QUANTIZATION)
    if table is None:
        return [], []
    start, count = table.vector(_SCALE, 4)
    scales = [table.source.f32(start + 4 * index) for index in range(min(count, 2))]
    start, count = table.vector(_ZERO_POINT, 8)
    zeros = [table.source.i64(start + 8 * index) for index in range(min(count, 2))]
    return scales, zeros + [0] * (len(scales) - len(zeros))


def _with_metadata(front: Front, model: Table) -> Front:
    """With what the metadata of TensorFlow's task libraries says about the first input."""
    buffers = list(model.tables(_MODEL_BUFFERS))
    for entry in model.tables(_MODEL_METADATA):
        number = entry.u32(_METADATA_BUFFER)
        if entry.text(_METADATA_NAME) != _TASK_METADATA or not 0 < number < len(buffers):
            continue
        start, count = buffers[number].vector(0, 1)
        mean, std = _normalization(entry.source.data[start : start + count])
        if mean and len(mean) == len(std) and all(std) and np.isfinite((*mean, *std)).all():
            return replace(front, mean=mean, std=std)
    return front


def _normalization(content: bytes) -> tuple[tuple[float, ...], tuple[float, ...]]:
    source = FlatBuffer(content, len(content))  # type: ignore[arg-type] # read like a map
    try:
        metadata = source.table(source.u32(0))
        graph = next(metadata.tables(3), None)
        tensor = next(graph.tables(2), None) if graph else None
        for unit in tensor.tables(4) if tensor else ():
            options = unit.table(1)
            if unit.u8(0) == _NORMALIZATION and options is not None:
                return _floats(options, 0), _floats(options, 1)
    except (ValueError, IndexError):
        pass
    return (), ()


def _floats(table: Table, number: int) -> tuple[float, ...]:
    start, count = table.vector(number, 4)
    return tuple(table.source.f32(start + 4 * index) for index in range(min(count, 64)))
