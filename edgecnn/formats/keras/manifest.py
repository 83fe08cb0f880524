"""The manifest in a .keras archive: a member that Keras does not know and leaves alone."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from edgecnn.formats.base import MAX_MANIFEST_BYTES


def member(key: str) -> str:
    """The member's name."""
    return f"{key}.json"


def read(path: Path, key: str) -> bytes | None:
    """See `Format.read_manifest`."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(member(key))
            if entry.file_size > MAX_MANIFEST_BYTES:
                return None
            with archive.open(entry) as file:
                return file.read(MAX_MANIFEST_BYTES)
    except (
        KeyError,  # no such member
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # a compression method Python does not know
        RuntimeError,  # encrypted
        ValueError,  # a member at a negative offset
        struct.error,
    ):
        return None
