"""What a .tflite file stores, and in which types its operators compute."""

from __future__ import annotations

import mmap
from collections import Counter
from math import prod
from pathlib import Path

from edgecnn.formats.recipes.stored import named
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table

# Field numbers of schema.fbs, and numbers of its BuiltinOperator.
_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_GRAPH_TENSORS, _GRAPH_OPERATORS = 0, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_QUANTIZATION = 0, 1, 2, 4
_QUANTIZATION_SCALE = 2
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 0, 1, 2
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2
_DEQUANTIZE, _QUANTIZE = 6, 114
_COMPUTING = {3, 4, 9, 67, 126, 132, 133, 16, 44}
"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV, BATCH_MATMUL, CONV_3D,
CONV_3D_TRANSPOSE, LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM: with float data and int8 weights they
quantize the data themselves."""
_DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    7: "int16",
    9: "int8",
    10: "float64",
    17: "int4",
    18: "bfloat16",
    19: "int2",
}


def recipe_of(path: Path) -> str:
    """See `recipes.recipe_in`. Raises ValueError or OSError for a file that is not whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        source = FlatBuffer(data, len(data))
        return _recipe(source.table(source.u32(0)))


def _recipe(model: Table) -> str:
    codes = [max(code.u8(0), code.u32(3)) for code in model.tables(_MODEL_CODES)]
    filled = [_is_filled(buffer) for buffer in model.tables(_MODEL_BUFFERS)]
    weights: Counter[str] = Counter()
    values: Counter[str] = Counter()
    dynamic = static = False
    for graph in model.tables(_MODEL_SUBGRAPHS):
        tensors = list(graph.tables(_GRAPH_TENSORS))
        stored = [0 < tensor.u32(_TENSOR_BUFFER) < len(filled) for tensor in tensors]
        stored = [
            here and filled[tensor.u32(_TENSOR_BUFFER)]
            for here, tensor in zip(stored, tensors, strict=True)
        ]
        for constant, tensor in zip(stored, tensors, strict=True):
            if constant:
                weights[_dtype(tensor)] += prod(max(size, 0) for size in _sizes(tensor))
        for operator in graph.tables(_GRAPH_OPERATORS):
            code = codes[operator.u32(_OPERATOR_CODE)]
            inputs = [index for index in operator.integers(_OPERATOR_INPUTS) if index >= 0]
            outputs = operator.integers(_OPERATOR_OUTPUTS)
            if code in (_DEQUANTIZE, _QUANTIZE):
                continue
            for index in outputs:
                kind = _dtype(tensors[index])
                if kind not in ("int8", "uint8", "int16") or _is_scaled(tensors[index]):
                    values[kind] += 1
                    static = static or kind in ("int8", "uint8", "int16")
            if code in _COMPUTING and len(inputs) > 1:
                data = _dtype(tensors[inputs[0]])
                bytes_inside = any(
                    stored[index] and _dtype(tensors[index]) in ("int8", "uint8", "int4")
                    for index in inputs[1:]
                )
                dynamic = dynamic or (data == "float32" and bytes_inside)
    integers = values["int8"] + values["uint8"] + values["int16"]
    return named(
        weights,
        values,
        dynamic=dynamic,
        static=static and integers > values["float32"] + values["float16"],
    )


def _is_filled(buffer: Table) -> bool:
    _, count = buffer.vector(_BUFFER_DATA, 1)
    return count > 0 or (
        buffer.field(_BUFFER_OFFSET) is not None and buffer.field(_BUFFER_SIZE) is not None
    )


def _is_scaled(tensor: Table) -> bool:
    quantization = tensor.table(_TENSOR_QUANTIZATION)
    return quantization is not None and quantization.vector(_QUANTIZATION_SCALE, 4)[1] > 0


def _dtype(tensor: Table) -> str:
    return _DTYPES.get(tensor.u8(_TENSOR_TYPE), "other")


def _sizes(tensor: Table) -> tuple[int, ...]:
    return tensor.integers(_TENSOR_SHAPE)
