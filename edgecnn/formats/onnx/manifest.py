"""The manifest in an .onnx file: an entry of ModelProto.metadata_props."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from edgecnn.formats.base import MAX_MANIFEST_BYTES
from edgecnn.formats.onnx.schema import MODEL_METADATA, opened
from edgecnn.registry import require

MAX_ENTRIES = 10_000
"""Metadata entries, or fields of the model besides its graph, before we stop looking."""
_KEY, _VALUE = 1, 2


def read(path: Path, key: str) -> bytes | None:
    """See `Format.read_manifest`."""
    try:
        with opened(path) as model:
            for number, entry in islice(model.messages(), MAX_ENTRIES):
                if number != MODEL_METADATA:
                    continue
                parts = dict(islice(entry.messages(), MAX_ENTRIES))
                if _KEY not in parts or _VALUE not in parts or parts[_KEY].size > 64:
                    continue
                if parts[_KEY].content() == key.encode():
                    whole = parts[_VALUE].size <= MAX_MANIFEST_BYTES
                    return parts[_VALUE].content() if whole else None
    except ValueError:
        pass
    return None


def write(path: Path, key: str, text: str) -> None:
    """See `Format.write_manifest`. Raises MissingDependencyError, and what onnx raises."""
    require("onnx", "onnx")
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    kept = [entry for entry in model.metadata_props if entry.key != key]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=key, value=text)
    onnx.save(model, str(path))
