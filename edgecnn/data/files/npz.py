"""NumPy's own files, read as what they are: bytes from somewhere else.

What a header declares is compared with the bytes that are there before memory is taken for it.
An .npz is read into memory, at most MAX_UNPACKED_BYTES of it; an .npy stays on the disk.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import open_regular_file

Array = npt.NDArray[Any]

MAX_UNPACKED_BYTES = 2 << 30
"""Of all arrays of one .npz together: 2 GiB."""
MAX_ARRAYS = 1000
_MOST_DEFLATED = 1032
"""Deflate makes no more bytes than this of one (zlib's technical details)."""
_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,  # the header is Python's literal syntax
    tokenize.TokenError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,  # Python's parser, for a header that nests too deeply
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted member
    zipfile.BadZipFile,
    zlib.error,
)
_KINDS = "biufcSU"
"""Kinds of dtypes that are read: numbers, truth values and text."""
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, 0xD800 >> 11
_PIECE_VALUES = 1 << 20
"""What is looked through at once: 8 MB as float64, whatever the array's size."""
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class _Header:
    """What the head of an .npy declares; `offset` is where the values begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path) -> dict[str, Array]:
    """Every array of an .npz, in memory. Objects (pickles) are refused.

    Raises InputError when the file is missing, damaged, lies about its sizes, or would take more
    than MAX_UNPACKED_BYTES.
    """
    try:
        with open_regular_file(path) as file:
            if file.read(4) == b"\x93NUM":
                raise InputError(f"{path} is a single array", hint="an .npz holds several")
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, path)
                return {
                    member.filename.removesuffix(".npy"): _read_member(archive, member)
                    for member in members
                }
    except InputError:
        raise
    except _ERRORS as error:
        raise _unreadable(path, error) from error


def map_npy(path: Path) -> Array:
    """An .npy, mapped: read from the disk as it is used. Raises InputError as `read_npz`."""
    try:
        with open_regular_file(path) as file:
            size = file.seek(0, 2)
            file.seek(0)
            header = _read_header(file, size)
            if header.offset + header.bytes != size:
                raise ValueError(
                    f"it declares {header.bytes:,} bytes of values, "
                    f"received: {size - header.offset:,}"
                )
            order: Any = "F" if header.fortran else "C"
            if not header.bytes:
                return np.empty(header.shape, header.dtype)
            mapped: Array = np.memmap(file, header.dtype, "r", header.offset, header.shape, order)
    except InputError:
        raise
    except _ERRORS as error:
        raise _unreadable(path, error) from error
    return mapped


def texts(array: Array, where: str) -> list[str]:
    """The words of an array (n,) of text. Raises InputError for another shape, for what is no
    text, and for characters that do not exist.
    """
    if array.ndim != 1 or array.dtype.kind not in "SU":
        raise InputError(f"{where}: expected text (n,), received: {array.dtype} {array.shape}")
    if array.dtype.kind == "U":  # NumPy itself takes any 32 bits for a character
        codes = np.frombuffer(array.tobytes(), f"{array.dtype.byteorder}u4")
        if ((codes > _LAST_CHARACTER) | (codes >> 11 == _SURROGATES)).any():
            raise InputError(f"{where}: it contains invalid characters")
        return [str(word) for word in array.tolist()]
    try:
        return [bytes(word).decode() for word in array.tolist()]
    except ValueError as error:
        raise InputError(f"{where}: it holds bytes that are not UTF-8 ({error})") from error


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The arrays in the archive. Raises InputError for a bomb, ValueError for what is damaged."""
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    if not members:
        raise InputError(f"{path} holds no arrays", hint="np.savez makes an .npz")
    if len(members) > MAX_ARRAYS:
        raise InputError(f"{path}: {len(members):,} arrays, expected at most {MAX_ARRAYS:,}")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two arrays have the same name")
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise ValueError("its parts overlap")
    total = 0
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{member.filename} is compressed in a way that NumPy does not use")
        deflated = member.compress_type == zipfile.ZIP_DEFLATED
        if member.file_size > member.compress_size * (_MOST_DEFLATED if deflated else 1) + 64:
            raise ValueError(f"{member.filename} cannot hold {member.file_size:,} bytes")
        total += member.file_size
    if total > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{path} unpacks to {total / 1e9:.1f} GB, expected at most "
            f"{MAX_UNPACKED_BYTES / 1e9:.1f}",
            hint="save its arrays as .npy files side by side: they stay on the disk",
        )
    return members


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """One array, read piece by piece into memory of the size that was checked."""
    with archive.open(member) as file:
        header = _read_header(file, member.file_size)
        if header.offset + header.bytes != member.file_size:
            raise ValueError(
                f"{member.filename} declares {header.bytes:,} bytes of values, "
                f"received: {member.file_size - header.offset:,}"
            )
        content = np.empty(header.bytes, np.uint8)
        at = 0
        while at < len(content):
            piece = np.frombuffer(file.read(_PIECE_BYTES), np.uint8)
            if not 0 < len(piece) <= len(content) - at:
                raise ValueError(f"{member.filename} is shorter than declared")
            content[at : at + len(piece)] = piece
            at += len(piece)
        if file.read(1):  # also makes zipfile compare the checksum
            raise ValueError(f"{member.filename} is longer than declared")
    order: Any = "F" if header.fortran else "C"
    array: Array = content.view(header.dtype).reshape(header.shape, order=order)
    return array


def _read_header(file: IO[bytes], size: int) -> _Header:
    """The head of an .npy of `size` bytes. Raises ValueError for what cannot fit into them."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format is for structures, not for numbers")
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects (pickles)")
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise ValueError(f"values of {dtype} are not read")
    if len(shape) > 8 or any(side < 0 for side in shape) or max(shape, default=0) > size:
        raise ValueError(f"the shape {shape} does not fit into {size:,} bytes")
    return _Header(shape, dtype, fortran, file.tell())


def need(arrays: Mapping[str, Array], *names: str, path: Path) -> tuple[Array, ...]:
    """The arrays of these names. Raises InputError that lists what is there instead."""
    held = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
    for name in names:
        if name not in arrays:
            raise InputError(f"{path} holds no array {name!r}", hint=f"it holds: {held}")
    return tuple(arrays[name] for name in names)


def check_finite(array: Array, where: str) -> None:
    """Raise InputError with the index of the first NaN or infinity."""
    if array.dtype.kind != "f":
        return
    for start, piece in pieces(array):
        finite = np.isfinite(piece)
        if not finite.all():
            inside = tuple(int(i) for i in np.argwhere(~finite)[0])
            index = (start + inside[0], *inside[1:])
            raise InputError(
                f"{where}: {piece[inside]} at index {list(index)}",
                hint="every value must be finite: repair or drop the sample",
            )


def pieces(array: Array) -> Iterator[tuple[int, Array]]:
    """Some samples at a time, each time with the index of the first: for arrays on the disk."""
    step = max(1, _PIECE_VALUES // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), step):
        yield start, np.asarray(array[start : start + step])


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"cannot read {path}: {getattr(error, 'strerror', None) or error or type(error).__name__}",
        hint="the file is damaged or not in NumPy's format; Python objects (pickles) are refused",
    )
