"""Infer the recipe of a .tflite file: stored types and computing types."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgecnn.formats.recipes import named
from edgecnn.formats.sizes import elements
from edgecnn.formats.tflite.schema import (
    BUFFER_DATA,
    BUFFER_OFFSET,
    BUFFER_SIZE,
    GRAPH_OPERATORS,
    GRAPH_TENSORS,
    MODEL_BUFFERS,
    MODEL_SUBGRAPHS,
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OUTPUTS,
    QUANTIZATION_SCALE,
    TENSOR_BUFFER,
    TENSOR_QUANTIZATION,
    TENSOR_SHAPE,
    codes_of,
    dtype_of,
    opened,
)
from edgecnn.formats.wire.flatbuffer import Table

# Numbers of BuiltinOperator.
_DEQUANTIZE, _QUANTIZE = 6, 114
_COMPUTING = {3, 4, 9, 67, 126, 132, 133, 16, 44}
"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV, BATCH_MATMUL, CONV_3D,
CONV_3D_TRANSPOSE, LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM: with float data and int8 weights they
quantize the data themselves."""


def recipe_of(path: Path) -> str:
    """See `recipes.recipe_in`. Raises ValueError or OSError for a file that is not whole."""
    with opened(path) as model:
        return _recipe(model)


def _recipe(model: Table) -> str:
    codes = codes_of(model)
    filled = [_is_filled(buffer) for buffer in model.tables(MODEL_BUFFERS)]
    weights: Counter[str] = Counter()
    values: Counter[str] = Counter()
    dynamic = static = False
    for graph in model.tables(MODEL_SUBGRAPHS):
        tensors = list(graph.tables(GRAPH_TENSORS))
        stored = [0 < tensor.u32(TENSOR_BUFFER) < len(filled) for tensor in tensors]
        stored = [
            here and filled[tensor.u32(TENSOR_BUFFER)]
            for here, tensor in zip(stored, tensors, strict=True)
        ]
        for constant, tensor in zip(stored, tensors, strict=True):
            if constant:
                weights[dtype_of(tensor)] += elements(tensor.integers(TENSOR_SHAPE))
        for operator in graph.tables(GRAPH_OPERATORS):
            code = codes[operator.u32(OPERATOR_CODE)]
            inputs = [index for index in operator.integers(OPERATOR_INPUTS) if index >= 0]
            outputs = operator.integers(OPERATOR_OUTPUTS)
            if code in (_DEQUANTIZE, _QUANTIZE):
                continue
            for index in outputs:
                kind = dtype_of(tensors[index])
                if kind not in ("int8", "uint8", "int16") or _is_scaled(tensors[index]):
                    values[kind] += 1
                    static = static or kind in ("int8", "uint8", "int16")
            if code in _COMPUTING and len(inputs) > 1:
                data = dtype_of(tensors[inputs[0]])
                bytes_inside = any(
                    stored[index] and dtype_of(tensors[index]) in ("int8", "uint8", "int4")
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
    _, count = buffer.vector(BUFFER_DATA, 1)
    return count > 0 or (
        buffer.field(BUFFER_OFFSET) is not None and buffer.field(BUFFER_SIZE) is not None
    )


def _is_scaled(tensor: Table) -> bool:
    quantization = tensor.table(TENSOR_QUANTIZATION)
    return quantization is not None and quantization.vector(QUANTIZATION_SCALE, 4)[1] > 0
