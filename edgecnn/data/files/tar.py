"""Files out of a tar archive, packed with gzip or not, read in one pass and within limits."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Set
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edgecnn.errors import InputError
from edgecnn.files import open_regular_file

MAX_MEMBERS = 10_000
_ERRORS = (
    tarfile.TarError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    RecursionError,
    zlib.error,
)


def read_members(path: Path, wanted: Set[str], *, most: int, in_all: int) -> dict[str, bytes]:
    """The content of the files whose last name is in `wanted`, by that name.

    At most `most` bytes of each are read, and `in_all` bytes of the unpacked archive. Raises
    InputError for what is larger, damaged, or no tar.
    """
    contents: dict[str, bytes] = {}
    try:
        with open_regular_file(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream: IO[bytes] = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]
            with tarfile.open(fileobj=_Limited(stream, in_all), mode="r|") as archive:
                for number, member in enumerate(archive):
                    name = PurePosixPath(member.name).name
                    if number >= MAX_MEMBERS:
                        raise ValueError(f"it holds more than {MAX_MEMBERS:,} files")
                    if not member.isreg() or name not in wanted or member.issparse():
                        continue
                    if member.size > most:
                        raise ValueError(f"{name} has {member.size:,} bytes, expected {most:,}")
                    content = archive.extractfile(member)
                    contents[name] = content.read() if content else b""
    except InputError:
        raise
    except _ERRORS as error:
        raise InputError(
            f"cannot read {path}: {error}", hint="the archive is damaged; fetch it again"
        ) from error
    return contents


class _Limited(io.RawIOBase):
    """A stream that fails when more than `most` bytes are read from it."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most, self._left = stream, most, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> Any:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {self._most >> 20} MiB")
        return content
