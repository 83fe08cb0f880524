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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.manifest import (
    EMBEDDED_KEY,
    RECIPES,
    Artifact,
    Manifest,
    check_model_path,
    read_sidecar,
    sha256_of,
)

MAX_MANIFEST_BYTES = 4 << 20
MAX_ENTRIES = 10_000
"""Metadata entries, or fields of an ONNX model beside its graph, before we stop looking."""

KERAS_MEMBER = EMBEDDED_KEY + ".json"
"""Where the manifest lies in a `.keras` archive; Keras ignores members it does not know."""


def load_artifact(path: Path) -> Artifact:
    """A model file with its manifest: the sidecar's, else the one inside, else an inferred one.

    Raises InputError for a file that is missing, empty or no model, for a sidecar that speaks
    of other bytes, and for a manifest that cannot be read.
    """
    path = check_model_path(Path(path))
    try:
        sha256, size = sha256_of(path), path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    manifest = read_sidecar(path, sha256) or read_embedded(path) or infer_manifest(path)
    return Artifact(path, manifest, sha256, size)


def infer_manifest(path: Path) -> Manifest:
    """What the name of a foreign file tells: the model, and the recipe if the name ends in one."""
    recipe = next((name for name in RECIPES if path.stem.lower().endswith(name)), "")
    model = path.stem[: len(path.stem) - len(recipe)].rstrip("_-.") if recipe else path.stem
    return Manifest(model=model or path.stem, recipe=recipe, inferred=True)


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
                except (struct.error, _OutOfBoundsError):
                    return None

    return find_in


class _OutOfBoundsError(Exception):
    """An offset or a length points outside the file."""


# ONNX: onnx.proto, ModelProto.metadata_props = 14, StringStringEntryProto{key = 1, value = 2}.


def _in_onnx(data: mmap.mmap) -> bytes | None:
    for number, start, end in _fields(data, 0, len(data)):
        if number != 14:
            continue
        entry = {field: (at, to) for field, at, to in _fields(data, start, end)}
        if 1 not in entry or 2 not in entry:
            continue
        (key_start, key_end), (value_start, value_end) = entry[1], entry[2]
        if data[key_start : min(key_end, key_start + 64)] != EMBEDDED_KEY.encode():
            continue
        if value_end - value_start <= MAX_MANIFEST_BYTES:
            return data[value_start:value_end]
    return None


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of the length-delimited fields of a protocol buffer message."""
    for _ in range(MAX_ENTRIES):
        if at >= end:
            return
        key, at = _varint(data, at, end)
        wire_type = key & 7
        if wire_type == 0:
            _, at = _varint(data, at, end)
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        elif wire_type == 2:
            length, at = _varint(data, at, end)
            if at + length > end:
                raise _OutOfBoundsError
            yield key >> 3, at, at + length
            at += length
        else:
            raise _OutOfBoundsError


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _OutOfBoundsError


# TFLite: schema.fbs, Model{buffers = 4, metadata = 6}, Metadata{name = 0, buffer = 1},
# Buffer{data = 0}. A table starts with the distance back to its vtable of 16-bit field offsets.


@dataclass(frozen=True)
class _Table:
    data: mmap.mmap
    at: int

    def field(self, number: int) -> int | None:
        """Where a field lies, None when the table leaves it out."""
        vtable = self.at - _number(self.data, "<i", self.at)
        size = _number(self.data, "<H", vtable)
        slot = 4 + 2 * number
        if slot + 2 > size:
            return None
        offset = _number(self.data, "<H", vtable + slot)
        return self.at + offset if offset else None

    def vector(self, number: int) -> tuple[int, int]:
        """(first element, length) of a vector field; (0, 0) when it is left out."""
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + _number(self.data, "<I", at)
        length = _number(self.data, "<I", start)
        return start + 4, length

    def bytes(self, number: int, limit: int) -> bytes | None:
        """A vector of bytes, None when it is longer than `limit`."""
        start, length = self.vector(number)
        if length > limit:
            return None
        if start + length > len(self.data):
            raise _OutOfBoundsError
        return self.data[start : start + length]


def _number(data: mmap.mmap, kind: str, at: int) -> int:
    if at < 0:  # struct would count from the end
        raise _OutOfBoundsError
    return int(struct.unpack_from(kind, data, at)[0])


def _in_tflite(data: mmap.mmap) -> bytes | None:
    model = _Table(data, _number(data, "<I", 0))
    first, count = model.vector(6)
    buffers, buffer_count = model.vector(4)
    for at in range(first, first + 4 * min(count, MAX_ENTRIES), 4):
        entry = _Table(data, at + _number(data, "<I", at))
        if entry.bytes(0, 64) != EMBEDDED_KEY.encode():
            continue
        index_at = entry.field(1)
        index = _number(data, "<I", index_at) if index_at is not None else 0
        if index >= buffer_count:
            raise _OutOfBoundsError
        slot = buffers + 4 * index
        return _Table(data, slot + _number(data, "<I", slot)).bytes(0, MAX_MANIFEST_BYTES)
    return None


_FINDERS: dict[str, Callable[[Path], bytes | None]] = {
    ".onnx": _mapped(_in_onnx),
    ".tflite": _mapped(_in_tflite),
    ".keras": _in_keras,
}
