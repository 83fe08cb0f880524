"""IDX files, the format of MNIST, read as what they are: bytes from somewhere else.

Layout (big endian): two zero bytes, a type code (0x08 is unsigned byte), the number of
dimensions, each dimension as an unsigned 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import open_regular_file

MAX_VALUES = 1 << 30
"""1 GiB of pixels: twenty times MNIST."""

_UNSIGNED_BYTE = 0x08
_MOST_DEFLATED = 1032
"""Deflate makes no more bytes than this of one (zlib's technical details)."""
_HINT = "the file is damaged or is not the one its name says; fetch it again"


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not (by content, not by name).

    Memory is bounded by what the header declares, at most 1 GiB, whatever a gzip stream
    would unpack to. Raises InputError when the file is missing, is not an IDX file of
    `dimensions`, or holds fewer or more values than it declares.
    """
    try:
        with open_regular_file(path) as file:
            size = path.stat().st_size
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _parse(path, file, dimensions, size)
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _parse(path, unzipped, dimensions, size * _MOST_DEFLATED)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip stream is damaged ({error})", hint=_HINT) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse(
    path: Path, file: IO[bytes] | gzip.GzipFile, dimensions: int, most: int
) -> npt.NDArray[np.uint8]:
    """The values; `most` is how many bytes there can be at all."""
    header = file.read(4 + 4 * dimensions)
    if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        raise InputError(
            f"{path}: expected an IDX file of unsigned bytes with {dimensions} dimension(s) "
            f"(magic 0000 08{dimensions:02x}), received: {header[:4].hex(' ') or 'nothing'}",
            hint=_HINT,
        )
    if len(header) < 4 + 4 * dimensions:
        raise InputError(f"{path}: the file ends inside its header", hint=_HINT)
    shape = struct.unpack(f">{dimensions}I", header[4:])
    count = 1
    for size in shape:
        count *= size
    if not 0 < count <= MAX_VALUES:
        raise InputError(
            f"{path}: the header declares {' × '.join(map(str, shape))} values, "
            f"expected 1 to {MAX_VALUES:,}",
            hint=_HINT,
        )
    values = file.read(count) if count <= most else b""
    if len(values) < count or file.read(1):
        fewer = f"{len(values):,}" if values else "fewer"
        received = fewer if len(values) < count else "more"
        raise InputError(
            f"{path}: the header declares {count:,} values, received: {received}", hint=_HINT
        )
    return np.frombuffer(values, np.uint8).reshape(shape)
