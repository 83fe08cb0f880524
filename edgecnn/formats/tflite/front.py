"""The front of a .tflite file: its first operators, its input's quantization, its metadata."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.formats.front import InputOperators, Values, stepped
from edgecnn.formats.tflite.schema import (
    GRAPH_INPUTS,
    GRAPH_OPERATORS,
    GRAPH_TENSORS,
    METADATA_BUFFER,
    METADATA_NAME,
    MODEL_BUFFERS,
    MODEL_METADATA,
    MODEL_SUBGRAPHS,
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OUTPUTS,
    TENSOR_BUFFER,
    TENSOR_SHAPE,
    codes_of,
    content_of,
    dtype_of,
    opened,
    quantization_of,
)
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table

_ELEMENTWISE = {0: "add", 18: "mul", 41: "sub", 42: "div"}
_QUANTIZE = 114
_PASSES = {
    *(6, 22, 23, 34, 39, 43, 53),  # DEQUANTIZE RESHAPE RESIZE_BILINEAR PAD TRANSPOSE SQUEEZE CAST
    *(60, 70, 97, 100, 105),  # PADV2 EXPAND_DIMS RESIZE_NEAREST MIRROR_PAD REVERSE_V2
}
"""Operators behind which values are what they were."""
_NUMBERS = {"float32", "float16", "int32", "uint8", "int64", "int16", "int8", "float64"}
_LIMITS = {"uint8": (0, 255), "int16": (-32768, 32767), "int8": (-128, 127)}
_MOST_STEPS = 32
_MOST_BYTES = 1 << 20
_MOST_METADATA_BYTES = 64 << 20
_TASK_METADATA = "TFLITE_METADATA"
_MOST_CHANNELS = 64
_NORMALIZATION = 1
"""In the union ProcessUnitOptions."""


def read(path: Path) -> InputOperators | None:
    """See `front.read_front`. Raises ValueError or struct.error for a file that is not whole."""
    with opened(path) as model:
        graph = next(model.tables(MODEL_SUBGRAPHS), None)
        if graph is None or len(graph.integers(GRAPH_INPUTS)) != 1:
            return None
        return _with_metadata(_Graph(model, graph).front(), model)


class _Graph:
    def __init__(self, model: Table, graph: Table) -> None:
        self._codes = codes_of(model)
        self._buffers = list(model.tables(MODEL_BUFFERS))
        self._tensors = list(graph.tables(GRAPH_TENSORS))
        self._operators = list(graph.tables(GRAPH_OPERATORS))
        self._input = graph.integers(GRAPH_INPUTS)[0]

    def front(self) -> InputOperators:
        at = self._input
        dtype = dtype_of(self._tensors[at])
        front = InputOperators(dtype=dtype if dtype in _NUMBERS else "other")
        front = self._ranged(front, at)
        for _ in range(_MOST_STEPS):
            users = [one for one in self._operators if at in one.integers(OPERATOR_INPUTS)]
            if len(users) != 1 or len(users[0].integers(OPERATOR_OUTPUTS)) != 1:
                break
            code = self._codes[users[0].u32(OPERATOR_CODE)]
            behind = self._behind(front, code, users[0].integers(OPERATOR_INPUTS), at)
            if behind is None:
                break
            front, at = behind, users[0].integers(OPERATOR_OUTPUTS)[0]
            if code == _QUANTIZE:
                front = self._ranged(front, at)
        return front

    def _behind(
        self, front: InputOperators, code: int, inputs: Sequence[int], at: int
    ) -> InputOperators | None:
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

    def _ranged(self, front: InputOperators, at: int) -> InputOperators:
        tensor = self._tensors[at]
        limits = _LIMITS.get(dtype_of(tensor))
        scales, zeros = quantization_of(tensor)
        if limits is None or len(scales) != 1 or not scales[0] > 0:
            return front
        low, high = ((limit - zeros[0]) * scales[0] for limit in limits)
        return front.ranged(low, high)

    def _constant(self, tensor: Table) -> Values | None:
        """The real values of a tensor that the file holds."""
        dtype = dtype_of(tensor)
        if dtype not in _NUMBERS:
            return None
        content = content_of(self._buffers, tensor.u32(TENSOR_BUFFER), _MOST_BYTES)
        shape = tensor.integers(TENSOR_SHAPE)
        wanted = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if len(content) != wanted or not content:
            return None
        values = np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).astype(np.float64)
        scales, zeros = quantization_of(tensor)
        if len(scales) == 1:
            values = (values - zeros[0]) * scales[0]
        elif len(scales) > 1:
            return None
        return values.reshape(shape)


def _with_metadata(front: InputOperators, model: Table) -> InputOperators:
    """With what the metadata of TensorFlow's task libraries says about the first input."""
    buffers = list(model.tables(MODEL_BUFFERS))
    for entry in model.tables(MODEL_METADATA):
        if entry.text(METADATA_NAME) != _TASK_METADATA:
            continue
        content = content_of(buffers, entry.u32(METADATA_BUFFER), _MOST_METADATA_BYTES)
        mean, std = _normalization(content)
        if mean and len(mean) == len(std) and all(std) and np.isfinite((*mean, *std)).all():
            return replace(front, mean=mean, std=std)
    return front


def _normalization(content: bytes) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, deviation) by metadata_schema.fbs, empty where it does not say them."""
    try:
        metadata = FlatBuffer.whole(content).root()
        graph = next(metadata.tables(3), None)
        tensor = next(graph.tables(2), None) if graph else None
        for unit in tensor.tables(4) if tensor else ():
            options = unit.table(1)
            if unit.u8(0) == _NORMALIZATION and options is not None:
                return options.floats(0, _MOST_CHANNELS), options.floats(1, _MOST_CHANNELS)
    except (ValueError, IndexError, struct.error):
        pass
    return (), ()
