"""Arrays that lie in a pickle, as in CIFAR-10's archive for Python, without calling anything.

A pickle is a program. Before it is run its instructions are counted and their sizes compared with
the bytes that are there; while it runs it gets stand-ins for NumPy's constructors, and for nothing
else. What comes out may hold one list many times over: whoever takes it has to check types.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
from typing import Any

import numpy as np

MAX_INSTRUCTIONS = 200_000
"""A batch of 10,000 labels and names takes 50,000."""
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"}
_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def unpickle_arrays(content: bytes) -> dict[str, Any]:
    """A dictionary of numbers, texts, lists and arrays. Raises ValueError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # odd escapes in a text
            _check_instructions(content)
        values = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except _ERRORS as error:
        raise ValueError(str(error) or "it is not a pickle") from error
    if not isinstance(values, dict):
        raise ValueError("it is not a dictionary")  # noqa: TRY004 (the file's fault, not the caller's)
    return values


def _check_instructions(content: bytes) -> None:
    """An instruction that is longer than the file, or a memo of a billion places, takes its
    memory before anything is read.
    """
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        if count >= MAX_INSTRUCTIONS:
            raise ValueError(f"more than {MAX_INSTRUCTIONS:,} instructions")
        if operation.name in _MEMO and not 0 <= int(argument or 0) <= MAX_INSTRUCTIONS:
            raise ValueError(f"place {argument} of its memo")


class _NoArray:
    """Stands for numpy.ndarray, which is named in a pickle and never called."""


def _empty_array(*_: Any) -> np.ndarray[Any, Any]:
    """Where the state of an array goes; the shape that is asked for is not believed."""
    return np.empty(0, np.uint8)


def _dtype(name: Any, *_: Any) -> np.dtype[Any]:
    dtype = np.dtype(name) if isinstance(name, str) and len(name) < 8 else np.dtype("O")
    if dtype.kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of {str(name)[:20]!r}")
    return dtype


def _encoded(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("it encodes something other than bytes")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Unpickling may call nothing but what stands for NumPy's constructors."""

    _ALLOWED = {  # noqa: RUF012 (nobody changes it)
        ("numpy._core.multiarray", "_reconstruct"): _empty_array,
        ("numpy", "ndarray"): _NoArray,
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): _encoded,
    }

    def find_class(self, module: str, name: str) -> Any:
        today = module.replace("numpy.core", "numpy._core")  # NumPy 2 moved it
        if (today, name) in self._ALLOWED:
            return self._ALLOWED[today, name]
        raise pickle.UnpicklingError(f"it calls {module}.{name}")
