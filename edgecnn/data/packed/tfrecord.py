"""TFRecord: how records follow one another in a file. What is in a record is not its business.

    uint64 length | uint32 masked crc32c of the length | data | uint32 masked crc32c of the data

All little-endian (tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details").
crc32c is the Castagnoli polynomial (RFC 3720, B.4); it is masked because a crc of something that
holds a crc is weak.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from mmap import mmap

from edgecnn.errors import InputError
from edgecnn.registry import require

ENDING = ".tfrecord"

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


class DamagedRecordError(InputError):
    """A record that is not what was written; the message is the reason alone."""


def framed(data: bytes) -> bytes:
    """`data` as one record of a file."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, _FOOTER.pack(_masked_crc(length)), data, _FOOTER.pack(_masked_crc(data)))
    )


def record_at(content: bytes | mmap, offset: int) -> bytes:
    """The data of the record that begins at `offset` (bytes). Raises DamagedRecordError."""
    start = offset + _HEADER.size
    if offset < 0 or start > len(content):
        raise DamagedRecordError("the file ends before this record")
    length, length_crc = _HEADER.unpack(content[offset:start])
    if _masked_crc(content[offset : offset + 8]) != length_crc:
        raise DamagedRecordError("the checksum of its length is wrong")
    end = start + length
    if end + _FOOTER.size > len(content):
        raise DamagedRecordError("the file ends inside it")
    data = content[start:end]
    (data_crc,) = _FOOTER.unpack(content[end : end + _FOOTER.size])
    if _masked_crc(data) != data_crc:
        raise DamagedRecordError("its checksum is wrong")
    return data


def _masked_crc(data: bytes) -> int:
    crc = _crc32c()(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


@cache
def _crc32c() -> Callable[[bytes], int]:
    crc32c: Callable[[bytes], int] = require("google_crc32c", "train").value
    return crc32c
