"""Protocol buffers read with nothing but the standard library, every length checked.

A message is a row of fields, each a key (field number and wire type) and a value. Nothing is copied
or built: a message is a place in a file, and its fields are read as they are met. All readers raise
ValueError where the file breaks off or is not a protocol buffer, is nested too deeply, or has more
fields than a sane model.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_FIELDS = 10_000_000
"""Fields that are read of one file: a network of 100,000 nodes has about 3 million."""
MAX_DEPTH = 64
"""Messages inside messages. ONNX needs 7 for a graph inside of a graph inside of a graph."""


@dataclass
class _Budget:
    fields: int = MAX_FIELDS

    def spend(self) -> None:
        self.fields -= 1
        if self.fields < 0:
            raise ValueError(f"it has more than {MAX_FIELDS:,} fields")


@dataclass(frozen=True)
class Message:
    """A message between two places of a file."""

    data: mmap.mmap | bytes
    start: int
    end: int
    depth: int = 0
    budget: _Budget = field(default_factory=_Budget, repr=False, compare=False)

    @classmethod
    def whole(cls, data: mmap.mmap | bytes) -> Message:
        """The message that a whole file is."""
        return cls(data, 0, len(data))

    @property
    def size(self) -> int:
        """Bytes between the two places."""
        return self.end - self.start

    def fields(self) -> Iterator[tuple[int, int | Message | bytes]]:
        """(number, value) in the file's order: a number, a message (or a text, or packed
        numbers: what it is only the schema knows), the 4 or 8 bytes of a float or a fixed-size
        number.
        """
        at = self.start
        while at < self.end:
            self.budget.spend()
            key, at = self._varint(at)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise ValueError(f"byte {at} starts no field")
            if wire == 0:
                value, at = self._varint(at)
                yield number, value
                continue
            if wire == 2:
                size, at = self._varint(at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError(f"byte {at} starts no field")
            if at + size > self.end:
                raise ValueError(f"a field needs {at + size:,} bytes, there are {self.end:,}")
            yield number, self._inside(at, at + size) if wire == 2 else self.data[at : at + size]
            at += size

    def _inside(self, start: int, end: int) -> Message:
        if self.depth >= MAX_DEPTH:
            raise ValueError(f"its messages are nested more than {MAX_DEPTH} deep")
        return Message(self.data, start, end, self.depth + 1, self.budget)

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while at < self.end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
        raise ValueError(f"a number breaks off at byte {at}")

    def messages(self) -> Iterator[tuple[int, Message]]:
        """The fields that are messages, texts or packed numbers."""
        for number, value in self.fields():
            if isinstance(value, Message):
                yield number, value

    def message(self, wanted: int) -> Message | None:
        """The first message of that number."""
        return next((part for number, part in self.messages() if number == wanted), None)

    def integers(self, wanted: int) -> tuple[int, ...]:
        """A repeated int64, one by one or packed."""
        values: list[int] = []
        for number, value in self.fields():
            if number != wanted:
                continue
            if isinstance(value, Message):
                at = value.start
                while at < value.end:
                    self.budget.spend()
                    one, at = value._varint(at)  # noqa: SLF001 (another message of this class)
                    values.append(signed(one))
            elif isinstance(value, int):
                values.append(signed(value))
        return tuple(values)

    def integer(self, wanted: int) -> int | None:
        """An int64 (the last one counts, as in every reader of protocol buffers)."""
        last = None
        for number, value in self.fields():
            if number == wanted and isinstance(value, int):
                last = signed(value)
        return last

    def float32(self, wanted: int) -> float | None:
        """A float (the last one counts)."""
        last = None
        for number, value in self.fields():
            if number == wanted and isinstance(value, bytes) and len(value) == 4:
                (last,) = struct.unpack("<f", value)
        return last

    def content(self) -> bytes:
        """The bytes of a text or of raw data."""
        return self.data[self.start : self.end]

    def text(self, wanted: int) -> str:
        """A text in UTF-8, empty when it is left out (the last one counts)."""
        last = b""
        for number, part in self.messages():
            if number == wanted:
                last = part.content()
        return last.decode("utf-8")

    def texts(self, wanted: int) -> tuple[str, ...]:
        """A repeated text, in the file's order."""
        return tuple(
            part.content().decode("utf-8") for number, part in self.messages() if number == wanted
        )


def signed(value: int) -> int:
    """An unsigned 64-bit number as the int64 that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
