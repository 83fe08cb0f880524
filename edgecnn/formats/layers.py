"""The layers of a model file: the operators of its main graph, in the order in which they run."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from edgecnn.deprecation import old_names
from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix


@dataclass(frozen=True)
class FileLayer:
    """One operator. `name` is its own, or that of the first tensor that it makes.

    `shape` and `dtype` are those of that tensor, None and "" where the file does not say;
    `weights` counts the numbers that it reads from the file.
    """

    name: str
    operator: str
    shape: tuple[int | None, ...] | None = None
    dtype: str = ""
    weights: int = 0


def read_layers(path: Path) -> tuple[FileLayer, ...]:
    """The layers of a file; () for a format that only its own library reads, and for a file that
    cannot be read: whether it is whole is judged elsewhere.
    """
    file_format = by_suffix(path)
    if file_format is None:
        return ()
    try:
        return tuple(file_format.layers(path))
    except (*UNREADABLE, struct.error, OSError):
        return ()


__getattr__ = old_names(__name__, {"Layer": "FileLayer"})
