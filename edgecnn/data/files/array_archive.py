"""Arrays in a zip file: written so that equal arrays make equal bytes, read without trust."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

NUMBERS = "buif"
"""Kinds of NumPy's dtypes that an array may have: numbers and truth values, no objects."""
_LEVEL = 1
_DATE = (2020, 1, 1, 0, 0, 0)
"""Of every member: equal samples make equal bytes."""


def add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Put a member into the archive."""
    member = zipfile.ZipInfo(name, _DATE)
    archive.writestr(member, content, zipfile.ZIP_DEFLATED, _LEVEL)


def packed(array: Any) -> bytes:
    """An array as the bytes of a .npy file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def unpacked(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a member. Raises ValueError for more than `limit`."""
    if archive.getinfo(name).file_size > limit:
        raise ValueError(f"{name} is larger than {limit >> 20} MiB")
    return b"".join(_pieces(archive, name))


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A member in pieces: no more memory than there are bytes, whatever its header says."""
    with archive.open(name) as file:
        while piece := file.read(1 << 20):
            yield piece


def read_array(archive: zipfile.ZipFile, name: str) -> Any:
    """An array; what its header declares is compared with the bytes that are there.

    Raises ValueError for anything but plain numbers of the length that the header says.
    """
    content = b"".join(_pieces(archive, name))
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or dtype.kind not in NUMBERS or not dtype.itemsize or fortran:
        raise ValueError(f"values of {dtype} are not read")
    values = content[file.tell() :]
    if any(side < 0 for side in shape) or len(values) != np.prod(shape, dtype=object) * (
        dtype.itemsize
    ):
        raise ValueError(f"{name} is shorter than declared")
    return np.frombuffer(values, dtype).reshape(shape).copy()
