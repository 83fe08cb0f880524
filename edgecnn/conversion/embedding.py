"""Writing a manifest into a model file, where the format has room for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgecnn.conversion.boundary import converter
from edgecnn.manifest import EMBEDDED_KEY, Manifest
from edgecnn.registry import lookup, require


def embed_manifest(path: Path, manifest: Manifest) -> None:
    """Put `manifest` into the `.tflite` or `.onnx` file at `path`, in place of one that is there.

    Weights are kept byte for byte. Raises InputError for another format, and when the file
    cannot be rewritten (a flatbuffer ends at 2 GiB).
    """
    embed = lookup("format that a manifest is written into", path.suffix.lower(), _WRITERS)
    embed(path, json.dumps(manifest.to_dict(), separators=(",", ":")))


def _into_onnx(path: Path, text: str) -> None:
    require("onnx", "onnx")
    with converter("onnx"):
        import onnx

        model = onnx.load(str(path))
        kept = [entry for entry in model.metadata_props if entry.key != EMBEDDED_KEY]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)
        model.metadata_props.add(key=EMBEDDED_KEY, value=text)
        onnx.save(model, str(path))


def _into_tflite(path: Path, text: str) -> None:
    require("flatbuffers", "convert")
    require("ai_edge_litert", "convert")
    with converter("flatbuffers", "models above 2 GiB keep their manifest beside the file only"):
        import numpy as np
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.tools import flatbuffer_utils

        # Buffers become views into the file's bytes and are copied once, by the builder.
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
        entries: list[Any] = list(model.metadata or ())
        entry = next((entry for entry in entries if _name(entry) == EMBEDDED_KEY), None)
        if entry is None:
            entry = schema.MetadataT(name=EMBEDDED_KEY, buffer=len(model.buffers))
            model.buffers.append(schema.BufferT())
            model.metadata = [*entries, entry]
        model.buffers[entry.buffer].data = np.frombuffer(text.encode(), np.uint8)
        path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


_WRITERS: Mapping[str, Callable[[Path, str], None]] = {
    ".onnx": _into_onnx,
    ".tflite": _into_tflite,
}


def _name(entry: Any) -> str:
    name = entry.name
    return name.decode() if isinstance(name, bytes) else str(name)
