"""NumPy's own files, read as what they are: bytes from somewhere else."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

Array = npt.NDArray[Any]

_ERRORS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_PIECE_VALUES = 1 << 20
"""What is looked through at once: 8 MB as float64, whatever the array's size."""


def read_npz(path: Path) -> dict[str, Array]:
    """Every array of an .npz, in memory. Objects (pickles) are refused.

    Raises InputError when the file is missing or damaged.
    """
    try:
        with path.open("rb") as file:  # np.load would leave a damaged one open
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is a single array", hint="an .npz holds several")
            return {name: archive[name] for name in archive.files}
    except _ERRORS as error:
        raise _unreadable(path, error) from error


def map_npy(path: Path) -> Array:
    """An .npy, mapped: read from the disk as it is used. Raises InputError as `read_npz`."""
    try:
        mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _ERRORS as error:
        raise _unreadable(path, error) from error
    return mapped


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
