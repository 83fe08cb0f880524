"""What a model file itself does to its input first: the proof of what it wants to be fed.

A graph that begins with a multiplication by 1/255 takes pixels of 0…255; so does an int8 input
whose scale is 1. Read with the standard library and numpy alone, as a Raspberry Pi has them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from edgecnn.formats.front import onnx, tflite
from edgecnn.formats.front.base import Front

__all__ = ["Front", "read_front"]

_READERS: Mapping[str, Callable[[Path], Front | None]] = {
    ".onnx": onnx.read,
    ".tflite": tflite.read,
}


def read_front(path: Path) -> Front | None:
    """What a `.tflite` or `.onnx` file does to its input before its first learned layer.

    None for another format, for a model with several inputs, and for a file that cannot be
    read: whether it is whole is judged elsewhere.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        return None
    try:
        return reader(Path(path))
    except (OSError, ValueError, IndexError, KeyError, OverflowError, struct.error):
        return None
