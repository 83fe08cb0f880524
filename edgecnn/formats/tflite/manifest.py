"""The manifest in a .tflite file: an entry of the model's metadata, with a buffer of its own."""

from __future__ import annotations

import struct
from itertools import islice
from pathlib import Path
from typing import Any

from edgecnn.formats.base import MAX_MANIFEST_BYTES
from edgecnn.formats.tflite.schema import (
    METADATA_BUFFER,
    MODEL_BUFFERS,
    MODEL_METADATA,
    opened,
)
from edgecnn.formats.wire.flatbuffer import Table
from edgecnn.registry import require

MAX_ENTRIES = 10_000
"""Metadata entries before we stop looking."""


def read(path: Path, key: str) -> bytes | None:
    """See `Format.read_manifest`."""
    try:
        with opened(path) as model:
            return _find(model, key)
    except (struct.error, ValueError):
        return None


def _find(model: Table, key: str) -> bytes | None:
    buffers, count = model.vector(MODEL_BUFFERS, 4)
    for entry in islice(model.tables(MODEL_METADATA), MAX_ENTRIES):
        if _content(entry, 64) != key.encode():
            continue
        index = entry.u32(METADATA_BUFFER)
        if index >= count:
            return None
        at = buffers + 4 * index
        return _content(model.source.table(at + model.source.u32(at)), MAX_MANIFEST_BYTES)
    return None


def _content(table: Table, limit: int) -> bytes | None:
    """The bytes in a table's first field, None when there are more than `limit`."""
    start, length = table.vector(0, 1)
    return table.source.data[start : start + length] if length <= limit else None


def write(path: Path, key: str, text: str) -> None:
    """See `Format.write_manifest`. Raises MissingDependencyError, and what flatbuffers raises
    (a flatbuffer ends at 2 GiB).
    """
    require("flatbuffers", "convert")
    require("ai_edge_litert", "convert")
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    # Buffers become views into the file's bytes and are copied once, by the builder.
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
    entries: list[Any] = list(model.metadata or ())
    entry = next((entry for entry in entries if _name(entry) == key), None)
    if entry is None:
        entry = schema.MetadataT(name=key, buffer=len(model.buffers))
        model.buffers.append(schema.BufferT())
        model.metadata = [*entries, entry]
    model.buffers[entry.buffer].data = np.frombuffer(text.encode(), np.uint8)
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _name(entry: Any) -> str:
    name = entry.name
    return name.decode() if isinstance(name, bytes) else str(name)
