"""Field and enum numbers of schema.fbs (version 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table
from edgecnn.formats.wire.mapped import mapped

MODEL_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS, MODEL_METADATA, MODEL_SIGNATURES = 1, 2, 4, 6, 7
MODEL_EXTERNAL_GROUPS, MODEL_EXTERNAL_BUFFERS = 8, 9
GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS = 0, 1, 2, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME = 0, 1, 2, 3
TENSOR_QUANTIZATION, TENSOR_SHAPE_SIGNATURE = 4, 7
QUANTIZATION_SCALE, QUANTIZATION_ZERO_POINT = 2, 3
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_OPTIONS = 0, 1, 2, 4
CODE_OLD_NUMBER, CODE_CUSTOM, CODE_NUMBER = 0, 1, 3
BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE = 0, 1, 2
METADATA_NAME, METADATA_BUFFER = 0, 1
SIGNATURE_INPUTS, SIGNATURE_OUTPUTS = 0, 1
MAP_NAME, MAP_TENSOR = 0, 1

DTYPES = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64"),
    *("int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16"),
    *("int4", "bfloat16", "int2", "uint4", "float8e4m3fn", "float8e5m2"),
)
"""TensorType, by numpy's names where numpy has them."""


@contextmanager
def opened(path: Path) -> Iterator[Table]:
    """The Model that a file is. Raises ValueError or struct.error where it is not one, OSError."""
    with mapped(path) as data:
        yield FlatBuffer.whole(data).root()


def dtype_of(tensor: Table) -> str:
    """numpy's name of a tensor's type, "unknown" for a number without a type."""
    kind = tensor.u8(TENSOR_TYPE)
    return DTYPES[kind] if kind < len(DTYPES) else "unknown"


def codes_of(model: Table) -> list[int]:
    """The BuiltinOperator of each operator code; numbers above 127 have a field of their own."""
    return [
        max(code.u8(CODE_OLD_NUMBER), code.u32(CODE_NUMBER)) for code in model.tables(MODEL_CODES)
    ]


def quantization_of(tensor: Table, most: int = 2) -> tuple[list[float], list[int]]:
    """(scales, zero points) of a tensor, as many of both, `most` of them at most."""
    table = tensor.table(TENSOR_QUANTIZATION)
    if table is None:
        return [], []
    start, count = table.vector(QUANTIZATION_SCALE, 4)
    scales = [table.source.f32(start + 4 * index) for index in range(min(count, most))]
    start, count = table.vector(QUANTIZATION_ZERO_POINT, 8)
    zeros = [table.source.i64(start + 8 * index) for index in range(min(count, len(scales)))]
    return scales, zeros + [0] * (len(scales) - len(zeros))


def content_of(buffers: Sequence[Table], number: int, most: int) -> bytes:
    """The bytes of a buffer; none for number 0, which stands for no buffer, for one that is not
    there, and for one of more than `most`.
    """
    if not 0 < number < len(buffers):
        return b""
    start, count = buffers[number].vector(BUFFER_DATA, 1)
    return buffers[number].source.data[start : start + count] if count <= most else b""
