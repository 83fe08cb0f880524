"""Turn Keras's loading errors into one line for the user."""

from __future__ import annotations

import re
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.keras_files.trust import TRUST
from edgecnn.text import first_line

DAMAGED = "the file is damaged or was made by something else; save it again with model.save()"

_UNREADABLE: tuple[type[Exception], ...] = (
    OSError,  # h5py: the weights are not HDF5, or cut off
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    IndexError,
    RuntimeError,
    NotImplementedError,
    ImportError,
    zipfile.BadZipFile,  # a member fails its checksum
    zlib.error,
    EOFError,
    MemoryError,
    UserWarning,  # see `all_weights_loaded`
)

_UNREGISTERED = (
    re.compile(r"Could not (?:locate|deserialize) (class|function) '([^']+)'"),
    re.compile(r"Unknown (layer|\w+ function|\w+): '?([^'\s.,]+)"),
)


def unreadable() -> tuple[type[Exception], ...]:
    """What Keras and its backend raise over a file; a class of its own where TensorFlow cannot
    make a variable.
    """
    if "tensorflow" not in sys.modules:
        return _UNREADABLE
    import tensorflow as tf

    return (*_UNREADABLE, tf.errors.OpError)


@contextmanager
def all_weights_loaded() -> Iterator[None]:
    """Turn Keras's warnings about weights that it did not find into errors: layers that keep fresh
    weights compute something else.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=r"Skipping|.*(freshly|not loaded|mismatch)")
        yield


def explained(path: Path, error: Exception) -> InputError:
    """What an error of Keras means for the user."""
    text = str(error)
    if isinstance(error, TypeError | ValueError | NotImplementedError):
        if "safe_mode" in text or "arbitrary code" in text:
            return InputError(f"{path.name} contains code ({first_sentence(error)})", hint=TRUST)
        missing = unregistered(error)
        if missing is not None:
            kind, name = missing
            return InputError(
                f"{path.name} needs the {kind} {name!r}, which is not registered here",
                hint="name the module that defines it: --custom module.py",
            )
    return InputError(f"{path.name}: Keras cannot read it ({first_sentence(error)})", hint=DAMAGED)


def unregistered(error: Exception) -> tuple[str, str] | None:
    """The kind and the name of a class or a function that nobody registered."""
    for pattern in _UNREGISTERED:
        missing = pattern.search(str(error))
        if missing:
            return ("class" if missing[1] == "layer" else missing[1]), missing[2]
    return None


def first_sentence(error: BaseException) -> str:
    """The first sentence of Keras's often page-long messages (of the innermost), and its kind."""
    innermost = str(error).rpartition("Exception encountered: ")[2]
    return first_line(error, text=innermost.strip().split("\n", 1)[0].split(". ", 1)[0])
