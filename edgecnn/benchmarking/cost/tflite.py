"""The cost of a .tflite model, read with `struct` only."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path

from edgecnn.benchmarking.cost.graph import (
    CostedGraph,
    CostedOperator,
    GraphCost,
    Tensor,
    UncountableError,
    refuse,
)
from edgecnn.errors import InputError
from edgecnn.formats.check import read_signature
from edgecnn.formats.tflite.schema import codes_of, dtype_of, opened
from edgecnn.formats.wire.flatbuffer import Table
from edgecnn.runtimes.declared import samples_of

# Numbers of BuiltinOperator in schema.fbs.
_CONV_2D, _DEPTHWISE, _DEQUANTIZE, _FULLY_CONNECTED, _PRELU = 3, 4, 6, 9, 54
_TRANSPOSE_CONV, _QUANTIZE, _BATCH_MATMUL, _CONV_3D = 67, 114, 126, 132
_VIEWS = {
    *(22, 43, 70),  # RESHAPE, SQUEEZE, EXPAND_DIMS
    *(14, 19, 20, 21, 28),  # LOGISTIC, RELU, RELU_N1_TO_1, RELU6, TANH
    *(54, 98, 111, 117, 150),  # PRELU, LEAKY_RELU, ELU, HARD_SWISH, GELU
}
_ELEMENTWISE = {0, 18, 41, 42}  # ADD, MUL, SUB, DIV
_UNKNOWN = {
    16: "LSTM",
    24: "RNN",
    27: "SVDF",
    31: "CALL",
    32: "CUSTOM",
    35: "UNIDIRECTIONAL_SEQUENCE_RNN",
    44: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    46: "BIDIRECTIONAL_SEQUENCE_RNN",
    52: "BIDIRECTIONAL_SEQUENCE_LSTM",
    118: "IF",
    119: "WHILE",
    129: "CALL_ONCE",
    141: "CONV_3D_TRANSPOSE",
}
_STABLEHLO = 162


def count(path: Path) -> GraphCost:
    """Count the main graph. Raises InputError for a damaged file, UncountableError."""
    read_signature(path)  # every offset and index has been checked once this returns
    try:
        with opened(path) as model:
            return _graph(model, samples_of(path, 1)).cost()
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise InputError(f"{path.name}: not a complete TFLite model ({error})") from error


def _graph(model: Table, samples: int) -> CostedGraph:
    codes = codes_of(model)
    buffers = [_holds_data(buffer) for buffer in model.tables(4)]
    graph = next(model.tables(2))
    operators = [
        (codes[operator.u32(0)], operator.integers(1), operator.integers(2))
        for operator in graph.tables(3)
    ]
    refuse(_UNKNOWN[code] for code, _, _ in operators if code in _UNKNOWN)
    if any(code >= _STABLEHLO for code, _, _ in operators):
        refuse(["STABLEHLO operators"])
    tensors = [_tensor(tensor, buffers) for tensor in graph.tables(0)]
    inputs = graph.integers(1)
    return CostedGraph(
        {str(index): tensor for index, tensor in enumerate(tensors)},
        [_operator(code, tensors, into, out) for code, into, out in operators],
        [str(index) for index in inputs],
        samples,
    )


def _holds_data(buffer: Table) -> bool:
    """Data lie in the table, or behind the flatbuffer (models above 2 GiB)."""
    if buffer.vector(0, 1)[1] > 0:
        return True
    at = buffer.field(2)
    return at is not None and buffer.source.u64(at) > 0


def _tensor(tensor: Table, buffers: Sequence[bool]) -> Tensor:
    if any(size < 0 for size in tensor.integers(7)[1:]):
        raise UncountableError("a tensor has an open dimension besides the batch")
    buffer = tensor.u32(2)
    shape = tuple(max(size, 1) for size in tensor.integers(0))
    return Tensor(shape, dtype_of(tensor), constant=buffer < len(buffers) and buffers[buffer])


def _operator(
    code: int, tensors: Sequence[Tensor], inputs: Sequence[int], outputs: Sequence[int]
) -> CostedOperator:
    into = [tensors[index] if index >= 0 else None for index in inputs]
    out = tensors[outputs[0]] if outputs else None
    macs = _macs(code, into, out) if out is not None else 0
    role = "compute" if macs else "view" if code in _VIEWS else "move"
    if code in _ELEMENTWISE:
        role = "affine"
    role = {_QUANTIZE: "quantize", _DEQUANTIZE: "dequantize"}.get(code, role)
    if code in (_TRANSPOSE_CONV, _CONV_3D, _CONV_2D, _DEPTHWISE, _FULLY_CONNECTED):
        weights = [index for index in (*inputs[1:2], *_bias(code, inputs)) if index >= 0]
    elif code in (_PRELU, _BATCH_MATMUL, *_ELEMENTWISE):
        weights = [index for index in inputs if index >= 0]
    else:
        weights = []  # shapes, axes, paddings
    names = tuple(str(index) for index in inputs if index >= 0)
    return CostedOperator(
        str(code), names, tuple(map(str, outputs)), role, macs, tuple(map(str, weights))
    )


def _bias(code: int, inputs: Sequence[int]) -> Sequence[int]:
    """TRANSPOSE_CONV takes (output shape, weights, data, bias), others (data, weights, bias)."""
    return inputs[3:4] if code == _TRANSPOSE_CONV else inputs[2:3]


def _macs(code: int, inputs: Sequence[Tensor | None], out: Tensor) -> int:
    if code not in _COUNTED:
        return 0
    data, weights = inputs[2 if code == _TRANSPOSE_CONV else 0], inputs[1]
    if data is None or weights is None:
        raise UncountableError("an operator lacks its data or its weights")
    return _COUNTED[code](data, weights, out)


_COUNTED: Mapping[int, Callable[[Tensor, Tensor, Tensor], int]] = {
    # weights (out, height, width, in a group)
    _CONV_2D: lambda _data, weights, out: out.size * prod(weights.shape[1:]),
    # weights (1, height, width, out) of a filter for each channel
    _DEPTHWISE: lambda _data, weights, out: out.size * prod(weights.shape[1:3]),
    # weights (depth, height, width, in, out)
    _CONV_3D: lambda _data, weights, out: out.size * prod(weights.shape[:4]),
    # weights (out, in)
    _FULLY_CONNECTED: lambda _data, weights, out: out.size * weights.shape[-1],
    # weights (out, height, width, in): each input is spread over the window
    _TRANSPOSE_CONV: lambda data, weights, _out: data.size * prod(weights.shape[:3]),
    # (…, m, k) × (…, k, n), either one perhaps transposed
    _BATCH_MATMUL: lambda data, _weights, out: out.size * (prod(data.shape[-2:]) // out.shape[-2]),
}
