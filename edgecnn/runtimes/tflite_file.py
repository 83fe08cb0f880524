"""The signature of a .tflite file, read with nothing but struct.

Only TFLite's own interpreter tells how inputs and outputs are quantised, so that others need it
from the file.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table
from edgecnn.manifest import TensorSpec, check_model_path
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.shapes import check_dtype, check_outputs, fix_shapes
from edgecnn.runtimes.tensors import name_axes

# Field numbers of schema.fbs (version 3).
_MODEL_SUBGRAPHS, _MODEL_SIGNATURES = 2, 7
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 0, 1, 2
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_NAME = 0, 1, 3
_TENSOR_QUANTIZATION, _TENSOR_SHAPE_SIGNATURE = 4, 7
_QUANTIZATION_SCALE, _QUANTIZATION_ZERO_POINT = 2, 3
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS = 0, 1
_MAP_NAME, _MAP_TENSOR = 0, 1

DTYPES = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64"),
    *("int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16"),
    *("int4", "bfloat16"),
)


@dataclass(frozen=True)
class Signature:
    """What goes into the main graph and what comes out. Open dimensions are None."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    dtypes: frozenset[str]
    """Those of all tensors, weights and biases included."""


def read_signature(path: Path) -> Signature:
    """Read a model file, after a look at whether it is whole (see `formats.check`).

    Raises InputError for anything but a complete TFLite model.
    """
    path = check_model_path(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _signature(FlatBuffer(data, len(data)))
    except (struct.error, IndexError, ValueError) as error:
        raise InputError(
            f"{path.name}: not a complete TFLite model ({error})",
            hint="the file is damaged or incomplete: copy or convert it again",
        ) from error


def fixed_inputs(signature: Signature, options: RuntimeOptions) -> tuple[TensorSpec, ...]:
    """The inputs with the batch in place of an open first dimension, and `options.shape` in place
    of other open ones.

    Raises InputError for a dimension that stays open or another batch, UnsupportedError for
    text.
    """
    for spec in signature.inputs:
        check_dtype(spec.name, spec.dtype)
    check_outputs([(spec.name, spec.dtype) for spec in signature.outputs])
    declared = [(spec.name, spec.shape) for spec in signature.inputs]
    shapes = fix_shapes(declared, options.batch, options.shape)
    return tuple(
        replace(spec, shape=shape) for spec, shape in zip(signature.inputs, shapes, strict=True)
    )


def _signature(data: FlatBuffer) -> Signature:
    model = data.table(data.u32(0))
    graphs = list(model.tables(_MODEL_SUBGRAPHS))
    tensors = list(graphs[0].tables(_GRAPH_TENSORS))
    signatures = list(model.tables(_MODEL_SIGNATURES))
    # A tensor's own name is mangled ("serving_default_x:0"); with one signature its names are
    # the user's.
    only = signatures[0] if len(signatures) == 1 else None
    return Signature(
        _specs(graphs[0], _GRAPH_INPUTS, tensors, _names(only, _SIGNATURE_INPUTS)),
        _specs(graphs[0], _GRAPH_OUTPUTS, tensors, _names(only, _SIGNATURE_OUTPUTS)),
        frozenset(_dtype(tensor) for tensor in tensors),
    )


def _names(signature: Table | None, number: int) -> dict[int, str]:
    if signature is None:
        return {}
    entries = signature.tables(number)
    return {entry.u32(_MAP_TENSOR): entry.text(_MAP_NAME) for entry in entries}


def _specs(
    graph: Table, number: int, tensors: list[Table], names: dict[int, str]
) -> tuple[TensorSpec, ...]:
    return tuple(_spec(tensors[index], names.get(index, "")) for index in graph.integers(number))


def _dtype(tensor: Table) -> str:
    kind = tensor.u8(_TENSOR_TYPE)
    return DTYPES[kind] if kind < len(DTYPES) else "unknown"


def _spec(tensor: Table, name: str) -> TensorSpec:
    sizes = tensor.integers(_TENSOR_SHAPE_SIGNATURE) or tensor.integers(_TENSOR_SHAPE)
    shape = tuple(None if size < 0 else size for size in sizes)
    scale, zero_point = None, None
    quantization = tensor.table(_TENSOR_QUANTIZATION)
    if quantization is not None:
        start, count = quantization.vector(_QUANTIZATION_SCALE, 4)
        if count:  # inputs and outputs have one scale, never one a channel
            scale = tensor.source.f32(start)
            start, count = quantization.vector(_QUANTIZATION_ZERO_POINT, 8)
            zero_point = tensor.source.i64(start) if count else 0
    return TensorSpec(
        name=name or tensor.text(_TENSOR_NAME),
        shape=shape,
        dtype=_dtype(tensor),
        layout=name_axes(len(shape), _dtype(tensor)),  # TFLite keeps channels last
        scale=scale or None,
        zero_point=zero_point if scale else None,
    )
