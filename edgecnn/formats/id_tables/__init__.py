"""How many ids a model's inputs may name: the sizes of the tables that look them up.

An id outside of its table is an error in one runtime, and reads memory of something else in
another, which then looks fast. So ids are drawn below the smallest table that they reach.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from edgecnn.formats.id_tables import keras, onnx, tflite

Limits = tuple[int | None, ...]

_READERS: Mapping[str, Callable[[Path], Limits]] = {
    ".onnx": onnx.id_limits,
    ".tflite": tflite.id_limits,
    ".keras": keras.id_limits,
}


def id_limits(path: Path) -> Limits:
    """For each input of a model file, in its order: ids from 0 to below this number fit every
    table that the input is looked up in. None for an input that reaches no table.

    An input counts when it reaches the table through operators that move, cast or shift values
    (Reshape, Cast, Slice, a constant added …), also inside of branches, loops and functions.
    Returns () for a file that cannot be read: whether it is whole is judged elsewhere.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        return ()
    try:
        return reader(Path(path))
    except (OSError, ValueError, IndexError, KeyError, struct.error):
        return ()
