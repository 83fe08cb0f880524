"""The manifest inside a model file, read with the standard library alone.

A Raspberry Pi has neither onnx nor flatbuffers installed, so the few bytes that matter are read
here: `metadata_props` of an ONNX protocol buffer, the `metadata` table of a TFLite flatbuffer,
a member of a `.keras` archive. Files come from strangers: every offset is checked against the
file before it is followed, and nothing is followed twice.
"""

from __future__ import annotations

import json
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.recipes import recipe_in
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table
from edgecnn.formats.wire.protobuf import Message
from edgecnn.manifest import (
    EMBEDDED_KEY,
    RECIPES,
    Artifact,
    Manifest,
    check_model_path,
    digest_of,
    read_sidecar,
)

MAX_MANIFEST_BYTES = 4 << 20
MAX_ENTRIES = 10_000
"""Metadata entries, or fields of an ONNX model beside its graph, before we stop looking."""

KERAS_MEMBER = EMBEDDED_KEY + ".json"
"""Where the manifest lies in a `.keras` archive; Keras ignores members it does not know."""


def load_artifact(path: Path) -> Artifact:
    """A model file with its manifest: the sidecar's, else the one inside, else an inferred one.

    Raises InputError for a file that is missing, no whole model, or reads files outside of its
    folder (see `formats.check`), for a sidecar that speaks of other bytes, and for a manifest
    that cannot be read.
    """
    path = check_model_path(Path(path))
    sha256, size = digest_of(path)
    manifest = read_sidecar(path, sha256) or read_embedded(path)
    if manifest is None:
        return Artifact(path, infer_manifest(path), sha256, size)
    found = recipe_in(path) if manifest.recipe in ("", "float32") else ""
    return Artifact(path, replace(manifest, recipe=found or manifest.recipe), sha256, size)


def infer_manifest(path: Path) -> Manifest:
    """What a foreign file tells: its recipe by its tensors, the model by its name, without the
    recipe if it ends in one.
    """
    named = next((name for name in RECIPES if path.stem.lower().endswith(name)), "")
    model = path.stem[: len(path.stem) - len(named)].rstrip("_-.") if named else path.stem
    return Manifest(model=model or path.stem, recipe=recipe_in(path), inferred=True)


def read_embedded(path: Path) -> Manifest | None:
    """The manifest inside a model file, None when the file carries none or is damaged.

    Whether the model itself is whole is for the runtime to judge. Raises InputError when there
    is a manifest that is not readable.
    """
    find = _FINDERS.get(path.suffix.lower())
    if find is None:
        return None
    try:
        text = find(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if text is None:
        return None
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError(f"it is a {type(document).__name__}")
        return Manifest.from_dict(document)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name}: the manifest inside is not readable ({error})") from error


def _in_keras(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(KERAS_MEMBER)
            if member.file_size > MAX_MANIFEST_BYTES:
                return None
            with archive.open(member) as file:
                return file.read(MAX_MANIFEST_BYTES)
    except (
        KeyError,  # no such member
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # a compression method Python does not know
        RuntimeError,  # encrypted
        ValueError,  # a member at a negative offset
        struct.error,
    ):
        return None


def _mapped(find: Callable[[mmap.mmap], bytes | None]) -> Callable[[Path], bytes | None]:
    """Run `find` on the mapped file: of a large model only the pages that matter are read."""

    def find_in(path: Path) -> bytes | None:
        with path.open("rb") as file:
            try:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # an empty file cannot be mapped
                return None
            with data:
                try:
                    return find(data)
                except (struct.error, ValueError):
                    return None

    return find_in


# ONNX: onnx.proto, ModelProto.metadata_props = 14, StringStringEntryProto{key = 1, value = 2}.


def _in_onnx(data: mmap.mmap) -> bytes | None:
    for number, entry in islice(Message.whole(data).messages(), MAX_ENTRIES):
        if number != 14:
            continue
        parts = dict(islice(entry.messages(), MAX_ENTRIES))
        if 1 not in parts or 2 not in parts or parts[1].size > 64:
            continue
        if parts[1].content() == EMBEDDED_KEY.encode() and parts[2].size <= MAX_MANIFEST_BYTES:
            return parts[2].content()
    return None


# TFLite: schema.fbs, Model{buffers = 4, metadata = 6}, Metadata{name = 0, buffer = 1},
# Buffer{data = 0}.


def _in_tflite(data: mmap.mmap) -> bytes | None:
    source = FlatBuffer(data, len(data))
    model = source.table(source.u32(0))
    buffers, count = model.vector(4, 4)
    for entry in islice(model.tables(6), MAX_ENTRIES):
        if _content(entry, 64) != EMBEDDED_KEY.encode():
            continue
        index = entry.u32(1)
        if index >= count:
            return None
        at = buffers + 4 * index
        return _content(source.table(at + source.u32(at)), MAX_MANIFEST_BYTES)
    return None


def _content(table: Table, limit: int) -> bytes | None:
    """The bytes in a table's first field, None when there are more than `limit`."""
    start, length = table.vector(0, 1)
    return table.source.data[start : start + length] if length <= limit else None


_FINDERS: dict[str, Callable[[Path], bytes | None]] = {
    ".onnx": _mapped(_in_onnx),
    ".tflite": _mapped(_in_tflite),
    ".keras": _in_keras,
}
