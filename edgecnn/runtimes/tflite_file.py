"""The bones of a .tflite file, read with nothing but struct.

Old interpreters do not verify a flatbuffer before they follow its offsets: tflite-runtime 2.14
dies of a segmentation fault on a truncated file. Walking the file first costs milliseconds.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import InputError

# Field numbers of schema.fbs (version 3).
_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_BUFFER, _TENSOR_NAME = 0, 2, 3
_OPERATOR_INPUTS, _OPERATOR_OUTPUTS = 1, 2
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2


def check_structure(path: Path) -> None:
    """Raise InputError when an offset or an index of the model points outside of it."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _walk(_Bytes(data, len(data)))
    except (struct.error, IndexError, ValueError) as error:
        raise InputError(
            f"{path.name}: not a complete TFLite model ({error})",
            hint="the file is damaged or incomplete: copy or convert it again",
        ) from error


def _walk(data: _Bytes) -> None:
    model = data.table(data.u32(0))
    buffers = list(model.tables(_MODEL_BUFFERS))
    for buffer in buffers:
        buffer.vector(_BUFFER_DATA, 1)
        buffer.check_external(_BUFFER_OFFSET, _BUFFER_SIZE)
    codes = sum(1 for _ in model.tables(_MODEL_CODES))
    graphs = list(model.tables(_MODEL_SUBGRAPHS))
    if not graphs or not codes:
        raise ValueError("it holds no graph")
    for graph in graphs:
        tensors = list(graph.tables(_GRAPH_TENSORS))
        for tensor in tensors:
            tensor.vector(_TENSOR_SHAPE, 4)
            tensor.vector(_TENSOR_NAME, 1)
            if tensor.u32(_TENSOR_BUFFER) >= max(len(buffers), 1):
                raise ValueError("a tensor names a buffer that is not there")
        for operator in graph.tables(_GRAPH_OPERATORS):
            operator.check_indices(_OPERATOR_INPUTS, len(tensors))
            operator.check_indices(_OPERATOR_OUTPUTS, len(tensors))
            if operator.u32(0) >= codes:
                raise ValueError("an operator has a code that is not there")
        graph.check_indices(_GRAPH_INPUTS, len(tensors))
        graph.check_indices(_GRAPH_OUTPUTS, len(tensors))


@dataclass(frozen=True)
class _Bytes:
    data: mmap.mmap
    size: int

    def u32(self, at: int) -> int:
        return int(self._read("<I", at, 4))

    def u16(self, at: int) -> int:
        return int(self._read("<H", at, 2))

    def i32(self, at: int) -> int:
        return int(self._read("<i", at, 4))

    def u64(self, at: int) -> int:
        return int(self._read("<Q", at, 8))

    def _read(self, kind: str, at: int, width: int) -> int:
        if not 0 <= at <= self.size - width:
            raise ValueError(f"byte {at} of {self.size} is needed")
        return int(struct.unpack_from(kind, self.data, at)[0])

    def table(self, at: int) -> _Table:
        vtable = at - self.i32(at)
        length = self.u16(vtable)
        if vtable + length > self.size:
            raise ValueError(f"byte {vtable + length} of {self.size} is needed")
        return _Table(self, at, vtable, length)


@dataclass(frozen=True)
class _Table:
    source: _Bytes
    at: int
    vtable: int
    vtable_length: int

    def field(self, number: int) -> int | None:
        """Where a field lies, None when it has its default."""
        entry = 4 + 2 * number
        if entry + 2 > self.vtable_length:
            return None
        offset = self.source.u16(self.vtable + entry)
        return self.at + offset if offset else None

    def u32(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else self.source.u32(at)

    def vector(self, number: int, width: int) -> tuple[int, int]:
        """(where the elements start, how many), checked to lie inside the file."""
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + self.source.u32(at)
        count = self.source.u32(start)
        if start + 4 + count * width > self.source.size:
            raise ValueError(f"byte {start + 4 + count * width} of {self.source.size} is needed")
        return start + 4, count

    def tables(self, number: int) -> Iterator[_Table]:
        start, count = self.vector(number, 4)
        for index in range(count):
            at = start + 4 * index
            yield self.source.table(at + self.source.u32(at))

    def check_indices(self, number: int, limit: int) -> None:
        """A vector of tensor numbers: −1 stands for an optional input left out."""
        start, count = self.vector(number, 4)
        for index in range(count):
            if not -1 <= self.source.i32(start + 4 * index) < limit:
                raise ValueError("an operator names a tensor that is not there")

    def check_external(self, offset: int, size: int) -> None:
        """Buffers of models above 2 GiB lie behind the flatbuffer."""
        where, length = self.field(offset), self.field(size)
        if where is None or length is None:
            return
        end = self.source.u64(where) + self.source.u64(length)
        if end > self.source.size:
            raise ValueError(f"byte {end} of {self.source.size} is needed")
