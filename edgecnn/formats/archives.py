"""What a zip archive says it holds, without unpacking and without a bomb of a directory."""

from __future__ import annotations

import struct
from pathlib import Path

MAX_DIRECTORY_BYTES = 4 << 20
"""Of the list of members. The parsed list takes some 20 times as much memory."""
_TAIL_BYTES = (1 << 16) + 22
_END, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x07"


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
    if at < 0 or at + 22 > len(tail) or _LOCATOR_64 in tail[max(0, at - 20) : at]:
        return None
    (size,) = struct.unpack_from("<I", tail, at + 12)
    if size > MAX_DIRECTORY_BYTES:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError):
        return None
