"""Flatbuffers read with nothing but struct: every offset is checked before it is followed.

A table begins with the distance back to its vtable, which holds the 16-bit offset of each field.
All readers raise ValueError (or struct.error) where the file points outside of itself.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_TEXT_BYTES = 1 << 16


@dataclass(frozen=True)
class FlatBuffer:
    data: mmap.mmap | bytes
    size: int

    @classmethod
    def whole(cls, data: mmap.mmap | bytes) -> FlatBuffer:
        """The flatbuffer that a whole file is."""
        return cls(data, len(data))

    def root(self) -> Table:
        """The table that everything else hangs on."""
        return self.table(self.u32(0))

    def u8(self, at: int) -> int:
        return int(self._read("<B", at, 1))

    def u16(self, at: int) -> int:
        return int(self._read("<H", at, 2))

    def u32(self, at: int) -> int:
        return int(self._read("<I", at, 4))

    def i32(self, at: int) -> int:
        return int(self._read("<i", at, 4))

    def u64(self, at: int) -> int:
        return int(self._read("<Q", at, 8))

    def i64(self, at: int) -> int:
        return int(self._read("<q", at, 8))

    def f32(self, at: int) -> float:
        return self._read("<f", at, 4)

    def _read(self, kind: str, at: int, width: int) -> float:
        if not 0 <= at <= self.size - width:
            raise ValueError(f"byte {at} of {self.size} is needed")
        value: float = struct.unpack_from(kind, self.data, at)[0]
        return value

    def table(self, at: int) -> Table:
        vtable = at - self.i32(at)
        length = self.u16(vtable)
        if vtable + length > self.size:
            raise ValueError(f"byte {vtable + length} of {self.size} is needed")
        return Table(self, at, vtable, length)


@dataclass(frozen=True)
class Table:
    source: FlatBuffer
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

    def u8(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else self.source.u8(at)

    def u32(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else self.source.u32(at)

    def u64(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else self.source.u64(at)

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

    def tables(self, number: int) -> Iterator[Table]:
        start, count = self.vector(number, 4)
        for index in range(count):
            at = start + 4 * index
            yield self.source.table(at + self.source.u32(at))

    def table(self, number: int) -> Table | None:
        at = self.field(number)
        return None if at is None else self.source.table(at + self.source.u32(at))

    def integers(self, number: int) -> tuple[int, ...]:
        """A vector of int32."""
        start, count = self.vector(number, 4)
        return struct.unpack_from(f"<{count}i", self.source.data, start)

    def floats(self, number: int, most: int) -> tuple[float, ...]:
        """The first `most` numbers of a vector of float32."""
        start, count = self.vector(number, 4)
        return struct.unpack_from(f"<{min(count, most)}f", self.source.data, start)

    def text(self, number: int) -> str:
        """A text, of which the first 64 kB count."""
        start, count = self.vector(number, 1)
        count = min(count, MAX_TEXT_BYTES)
        return self.source.data[start : start + count].decode("utf-8", "replace")

    def check_external(self, offset: int, size: int) -> None:
        """Buffers of models above 2 GiB lie behind the flatbuffer."""
        where, length = self.field(offset), self.field(size)
        if where is None or length is None:
            return
        end = self.source.u64(where) + self.source.u64(length)
        if end > self.source.size:
            raise ValueError(f"byte {end} of {self.source.size} is needed")
