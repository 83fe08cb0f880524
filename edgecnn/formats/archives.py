"""Read the directory of a zip archive safely, without unpacking."""

from __future__ import annotations

import struct
from pathlib import Path

MAX_DIRECTORY_BYTES = 4 << 20
"""Of the list of members. The parsed list takes some 20 times as much memory."""
_TAIL_BYTES = (1 << 16) + 22
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def zip_names(path: Path) -> list[str] | None:
    """The members' names; None for an archive without a readable list of them (it breaks off,
    say), and for one whose list is longer than MAX_DIRECTORY_BYTES.
    """
    import zipfile

    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail):
        return None
    size: int | None = struct.unpack_from("<I", tail, at + 12)[0]
    if tail[max(0, at - 20) : at].startswith(_LOCATOR_64):
        size = _size_64(path, tail[at - 20 : at])
    if size is None or size > MAX_DIRECTORY_BYTES:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError):
        return None


def _size_64(path: Path, locator: bytes) -> int | None:
    """The length of the list of members of an archive above 2 GiB, by its own record of that."""
    (place,) = struct.unpack_from("<Q", locator, 8)
    try:
        with path.open("rb") as file:
            file.seek(place)
            record = file.read(56)
    except (OSError, ValueError, OverflowError):
        return None
    if len(record) < 56 or not record.startswith(_END_64):
        return None
    return int(struct.unpack_from("<Q", record, 40)[0])
