"""The signature of a .tflite file, read with nothing but struct.

Only TFLite's own interpreter reports how inputs and outputs are quantized, so that others need it
from the file.
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.formats.signature import Signature, Value
from edgecnn.formats.tflite.operators import operators_of
from edgecnn.formats.tflite.schema import (
    GRAPH_INPUTS,
    GRAPH_OUTPUTS,
    GRAPH_TENSORS,
    MAP_NAME,
    MAP_TENSOR,
    MODEL_SIGNATURES,
    MODEL_SUBGRAPHS,
    SIGNATURE_INPUTS,
    SIGNATURE_OUTPUTS,
    TENSOR_NAME,
    TENSOR_SHAPE,
    TENSOR_SHAPE_SIGNATURE,
    dtype_of,
    opened,
    quantization_of,
)
from edgecnn.formats.wire.flatbuffer import Table


def read(path: Path) -> Signature:
    """See `Format.signature`. Raises ValueError, IndexError or struct.error for a file that is
    not whole.
    """
    with opened(path) as model:
        return _signature(model)


def _signature(model: Table) -> Signature:
    graphs = list(model.tables(MODEL_SUBGRAPHS))
    tensors = list(graphs[0].tables(GRAPH_TENSORS))
    signatures = list(model.tables(MODEL_SIGNATURES))
    # A tensor's own name is mangled ("serving_default_x:0"); with one signature its names are
    # the user's.
    only = signatures[0] if len(signatures) == 1 else None
    return Signature(
        _values(graphs[0], GRAPH_INPUTS, tensors, _names(only, SIGNATURE_INPUTS)),
        _values(graphs[0], GRAPH_OUTPUTS, tensors, _names(only, SIGNATURE_OUTPUTS)),
        operators_of(model),
        channels_last=True,
        dtypes=frozenset(dtype_of(tensor) for tensor in tensors),
    )


def _names(signature: Table | None, number: int) -> dict[int, str]:
    if signature is None:
        return {}
    entries = signature.tables(number)
    return {entry.u32(MAP_TENSOR): entry.text(MAP_NAME) for entry in entries}


def _values(
    graph: Table, number: int, tensors: list[Table], names: dict[int, str]
) -> tuple[Value, ...]:
    return tuple(_value(tensors[index], names.get(index, "")) for index in graph.integers(number))


def _value(tensor: Table, name: str) -> Value:
    sizes = tensor.integers(TENSOR_SHAPE_SIGNATURE) or tensor.integers(TENSOR_SHAPE)
    scales, zeros = quantization_of(tensor, most=1)  # of inputs and outputs never one a channel
    dtype = dtype_of(tensor)
    # Some converters leave a scale at tensors of floats, which means nothing.
    scale = scales[0] if scales and scales[0] and "int" in dtype else None
    return Value(
        name or tensor.text(TENSOR_NAME),
        dtype,
        tuple(None if size < 0 else size for size in sizes),
        scale,
        zeros[0] if scale else None,
    )
