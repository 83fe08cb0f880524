"""The outputs of many samples as one array: in memory while it is small, in a file from there on.

A detector may give megabytes for each image; a whole test split of them, of a model and of the
file made from it, would not fit with the rest.
"""

from __future__ import annotations

import tempfile
import weakref
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

Array = npt.NDArray[Any]

MEMORY_BYTES = 256 << 20
"""What the outputs of one name may take in memory."""


class Gathering:
    """Parts (n, …) of one output, which become one array (sum of n, …).

    The file has no name, and goes with the last array that reads it.
    """

    def __init__(self, name: str = "", limit: int = MEMORY_BYTES) -> None:
        self.name = name
        self._limit = limit
        self._parts: list[Array] = []
        self._shape: tuple[int, ...] | None = None
        self._dtype = np.dtype(np.float32)
        self._count = self._waiting = 0
        self._file: IO[bytes] | None = None

    def add(self, part: Array) -> None:
        """Raises InputError for samples of another size than those before, OSError for a full
        disk.
        """
        if self._shape is None:
            self._shape, self._dtype = part.shape[1:], part.dtype
        if part.shape[1:] != self._shape:
            sizes = " and ".join(map(str, sorted([self._shape, part.shape[1:]])))
            raise InputError(
                f"output {self.name!r} has another size for each sample ({sizes}): there is no "
                "parity of such outputs",
                hint="export the model without the selection of boxes (NMS) at its end",
            )
        self._parts.append(part)
        self._count += len(part)
        self._waiting += part.nbytes
        if self._waiting > self._limit and not part.dtype.hasobject:
            self._flush()

    def array(self) -> Array:
        """All parts, in their order. Raises InputError where there are none."""
        if self._shape is None:
            raise InputError("no samples to run the model on")
        if self._file is None:
            return np.concatenate(self._parts)
        self._flush()
        shape = (self._count, *self._shape)
        return np.asarray(np.memmap(self._file, self._dtype, "r+", shape=shape))

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="edgecnn-")  # noqa: SIM115 (lives on)
            weakref.finalize(self, self._file.close)  # an array that reads it keeps it by itself
            self._limit = min(self._limit, MEMORY_BYTES // 16)
        for part in self._parts:
            part.astype(self._dtype, copy=False).tofile(self._file)
        self._file.flush()
        self._parts, self._waiting = [], 0
