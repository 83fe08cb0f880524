"""Voxel grids as binvox writes them (Min 2004): a short header, then runs of zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import UnreadableFileError, read_file

MAX_SIDE = 512
MAX_BYTES = 2 * MAX_SIDE**3 + 4_096
"""Each voxel in a run of its own, and a header; the grid itself takes 128 MiB then, and as much
again while it is turned."""
_HEADER_LINES = 8

Grid = npt.NDArray[np.uint8]


class UnreadableGridError(InputError):
    """A file that is not a binvox file, or a damaged one; the message is the reason alone."""


@dataclass(frozen=True)
class BinvoxFiles(Sequence[Grid]):
    """Samples of a Split that lie in files: indexing reads, nothing is kept."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return BinvoxFiles(self.paths[index])
        try:
            return read_binvox(self.paths[index])
        except UnreadableGridError as error:
            raise InputError(
                f"{self.paths[index]}: {error.message}",
                hint="the file changed after the data was loaded",
            ) from error


def read_binvox(path: Path) -> Grid:
    """uint8 (x, y, z), 1 where there is matter. Raises UnreadableGridError."""
    try:
        content = read_file(path, limit=MAX_BYTES)
    except UnreadableFileError as error:
        raise UnreadableGridError(error.reason) from error
    if not content.startswith(b"#binvox"):
        raise UnreadableGridError(f"not a binvox file: it begins with {content[:8]!r}")
    sides: tuple[int, ...] = ()
    lines = content.split(b"\n", _HEADER_LINES)
    start = 0
    for line in lines[:-1]:
        start += len(line) + 1
        word, *numbers = line.split()[:4] or [b""]
        if word == b"dim" and all(number.isdigit() and len(number) < 6 for number in numbers):
            sides = tuple(int(number) for number in numbers)
        if word == b"data":
            return _expand(content[start:], sides)
    raise UnreadableGridError("its header has no 'data'")


def _expand(runs: bytes, sides: tuple[int, ...]) -> Grid:
    """Pairs of a value and how often it comes; y runs fastest, then z, then x."""
    if len(sides) != 3 or not all(0 < side <= MAX_SIDE for side in sides):
        raise UnreadableGridError(f"expected dim of three sides up to {MAX_SIDE}, got: {sides}")
    wanted = sides[0] * sides[1] * sides[2]
    if len(runs) > 2 * wanted:
        raise UnreadableGridError(f"{len(runs) // 2:,} runs for {wanted:,} voxels")
    pairs = np.frombuffer(runs[: len(runs) // 2 * 2], np.uint8).reshape(-1, 2)
    values, counts = pairs[:, 0], pairs[:, 1].astype(np.int64)
    if counts.sum() != wanted or len(runs) % 2 or (values > 1).any():
        raise UnreadableGridError(f"its runs give {counts.sum()} voxels, expected {wanted}")
    grid = np.repeat(values, counts).reshape(sides[0], sides[2], sides[1])
    return np.ascontiguousarray(grid.transpose(0, 2, 1))
