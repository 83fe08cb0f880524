"""Contents of a sequence model's file, and the checks before anything runs.

    sequence.json       what the two graphs are, with the digest of each other member
    encoder.tflite      or .onnx: once a sample
    step.tflite         once for each id of the answer
    vocabulary.model    sentencepiece: what the ids stand for
    edgecnn.manifest.json

Members are stored as they are, so that the file is as large as its graphs.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.formats.archives import zip_names
from edgecnn.records import FieldError, read_record

SPEC, VOCABULARY = "sequence.json", "vocabulary.model"
MAX_SPEC_BYTES = 64 << 10
MAX_MANIFEST_BYTES = 16 << 20
"""A vocabulary of subwords is part of the manifest."""
MAX_GRAPH_BYTES = 2 << 30
MAX_MEMBERS = 16
SCHEMA_VERSION = 1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression method Python does not know
    RuntimeError,  # encrypted
    KeyError,
)


@dataclass(frozen=True)
class SequenceSpec:
    """What the graphs are: how long a source and its answer may be, how answers are searched for,
    and which outputs of the encoder the step takes.
    """

    graphs: str
    recipe: str
    length: int
    memory: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by name."""
    beam: int = 5
    length_penalty: float = 1.0
    reads: int = 0
    """Ids of the source that a unit of the encoder sees; 0 where nobody knows."""
    writes: int = 0
    """Ids of the answer that the decoder's convolutions see; 0 where nobody knows."""
    schema_version: int = SCHEMA_VERSION

    @property
    def encoder(self) -> str:
        """The member's name."""
        return f"encoder.{self.graphs}"

    @property
    def step(self) -> str:
        """The member's name."""
        return f"step.{self.graphs}"

    @property
    def vocabulary_sha256(self) -> str:
        """The digest of the vocabulary that belongs to the graphs; empty where it has none."""
        return self.members.get(VOCABULARY, "")


def write_archive(
    path: Path,
    spec: SequenceSpec,
    members: Mapping[str, bytes],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write a file; `members` are the graphs and the vocabulary by name, `texts` what else lies
    there.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    document = {**asdict(spec), "members": digests}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, SPEC, json.dumps(document, indent=1).encode())
        for name, content in members.items():
            _add(archive, name, content)
        for name, text in (texts or {}).items():
            _add(archive, name, text.encode())


def holds(path: Path, graphs: str) -> bool:
    """Whether a zip archive is a sequence model of such graphs."""
    names = zip_names(path)
    return names is not None and {SPEC, f"encoder.{graphs}"} <= set(names)


def examine(path: Path, graphs: str) -> None:
    """Raise ValueError for a file that is not whole, or whose members are not what it says."""
    try:
        spec = read_spec(path)
        if spec.graphs != graphs:
            raise ValueError(f"its graphs are {spec.graphs}, expected {graphs}")
        with zipfile.ZipFile(path) as archive:
            for name in (spec.encoder, spec.step):
                if name not in spec.members:
                    raise ValueError(f"{SPEC} has no digest of {name}")
            for name, wanted in spec.members.items():
                if _digest(archive, name) != wanted:
                    raise ValueError(f"{name} is not the one that {SPEC} describes")
    except InputError as error:
        raise ValueError(error.message) from error
    except _BROKEN as error:
        raise ValueError(str(error)) from error


def read_spec(path: Path) -> SequenceSpec:
    """Raises ValueError for a file without one."""
    text = read_text(path, SPEC, limit=MAX_SPEC_BYTES)
    if text is None:
        raise ValueError(f"no {SPEC} inside")
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"{SPEC} is of another version of edgecnn")
        spec = read_record(SequenceSpec, document)
        # JSON's strings, checked: names and digests of members.
        members = {str(name): str(digest) for name, digest in spec.members.items()}
    except (FieldError, RecursionError) as error:
        raise ValueError(f"{SPEC}: {getattr(error, 'message', error)}") from error
    sensible = 2 <= spec.length <= 1 << 16 and min(spec.reads, spec.writes) >= 0
    if len(members) > MAX_MEMBERS or not sensible:
        raise ValueError(f"{SPEC} makes no sense")
    return spec


def read_text(path: Path, name: str, *, limit: int = MAX_MANIFEST_BYTES) -> bytes | None:
    """A member; None where it is missing, damaged or longer than `limit`."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name)
            if member.file_size > limit:
                return None
            with archive.open(member) as file:
                return file.read(limit)
    except (*_BROKEN, ValueError, OSError):
        return None


def write_text(path: Path, name: str, text: str) -> None:
    """Put a member into the archive, in place of one that is there."""
    with zipfile.ZipFile(path) as archive:
        kept = [(each, archive.read(each)) for each in archive.namelist() if each != name]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for each, content in (*kept, (name, text.encode())):
            _add(archive, each, content)


def unpack(path: Path, folder: Path) -> SequenceSpec:
    """Write graphs and vocabulary into `folder` under their names.

    Raises InputError for a file that is not whole.
    """
    try:
        spec = read_spec(path)
        with zipfile.ZipFile(path) as archive:
            for name in spec.members:
                content = _read(archive, name)
                (folder / Path(name).name).write_bytes(content)
    except (*_BROKEN, ValueError) as error:
        raise InputError(
            f"{path.name}: not a complete sequence model ({error})",
            hint="copy or convert it again",
        ) from error
    return spec


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > MAX_GRAPH_BYTES or "/" in name or "\\" in name:
        raise ValueError(f"{name!r} is not a member that belongs there")
    if member.file_size > 100 * member.compress_size + (1 << 20):
        raise ValueError(f"{name} unpacks to {member.file_size:,} bytes")
    return archive.read(member)


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    return hashlib.sha256(_read(archive, name)).hexdigest()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """With a fixed date, so that the same graphs make the same file."""
    entry: Any = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
