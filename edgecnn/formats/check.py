"""The one place that every model file passes before any library sees it."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from functools import lru_cache
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import NotAFileError, check_regular_file
from edgecnn.formats import keras, onnx, tflite
from edgecnn.formats.contents import identify
from edgecnn.formats.external import ExternalRange, check_external
from edgecnn.formats.folders import describe_folder
from edgecnn.formats.kinds import FORMATS, NAMES, Content

_COMPLETE = {"tflite": "TFLite model", "onnx": "ONNX model", "keras": "Keras 3 archive"}
_DAMAGED = "the file is damaged or incomplete: copy, download or convert it again"


def check_model_path(path: Path) -> Path:
    """Return the path to open when `path` is a whole model file of a known format, and all that
    it reads lies in its own folder.

    That is `path` itself, or what it links to where other files belong to the model. Nothing is
    waited for, nothing is unpacked, and no library is loaded. Raises InputError otherwise, which
    names what the file is instead.
    """
    return model_files(path)[0]


def model_files(path: Path) -> tuple[Path, ...]:
    """All files of a model, that of `path` first. Raises as `check_model_path`."""
    path = Path(path)
    size = _check_path(path)
    try:
        status = path.stat()
        ranges = _examined(path, (status.st_dev, status.st_ino, size, status.st_mtime_ns))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if not ranges:
        return (path,)
    others = check_external(path, ranges)
    return (path.resolve() if path.is_symlink() else path, *others)


def digest_of(path: Path) -> tuple[str, int]:
    """(sha256, bytes) of a model: of its file, or of all its files where it has several.

    With several files it is the digest of a list: a line for each, with the file's own digest
    and its place. Raises as `check_model_path`.
    """
    files = model_files(path)
    try:
        size = sum(file.stat().st_size for file in files)
        if len(files) == 1:
            return sha256_of(files[0]), size
        home = files[0].absolute().parent.resolve()
        lines = [f"{sha256_of(files[0])}  (model)\n"]
        lines += [f"{sha256_of(file)}  {file.relative_to(home).as_posix()}\n" for file in files[1:]]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest(), size


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_path(path: Path) -> int:
    """The size of a regular file; raises InputError for anything else, a folder described."""
    if not os.path.lexists(path):
        raise InputError(f"no such file: {path}")
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path} is a link to {path.readlink()}, which is not there",
            hint="pass the file itself",
        )
    try:
        size = check_regular_file(path)
    except NotAFileError as error:
        if error.kind != "a folder":
            raise InputError(
                f"expected a model file, received {error.kind}: {path}",
                hint="copy its content into a file first",
            ) from error
        raise _folder(path) from error
    if size == 0:
        raise InputError(f"{path}: the file is empty", hint="download, copy or convert it again")
    return size


def _folder(path: Path) -> InputError:
    try:
        found = describe_folder(path)
    except OSError as error:
        return InputError(f"cannot read {path}: {error.strerror or error}")
    kind = f" ({found.what})" if found.what else ""
    return InputError(f"expected a model file, received a folder: {path}{kind}", hint=found.hint)


@lru_cache(maxsize=64)
def _examined(path: Path, _status: tuple[int, ...]) -> tuple[ExternalRange, ...]:
    """What a regular file reads of others. Remembered until the file changes (`_status`)."""
    content = identify(path)
    wanted = FORMATS.get(path.suffix.lower(), "")
    if content is not None and not content.format:
        raise InputError(f"{path.name} is {content.what}", hint=content.hint)
    if not wanted:
        raise _wrong_ending(path, content)
    if content is not None and content.format != wanted:
        raise InputError(
            f"{path.name} is {NAMES[content.format]} by what it holds, not {NAMES[wanted]}",
            hint=f"rename it: mv {path.name} {path.stem}.{content.format}",
        )
    try:
        if wanted == "keras":
            _check_head(path, b"PK\x03\x04", 0)
            keras.examine(path)
            return ()
        if wanted == "tflite":
            _check_head(path, b"TFL3", 4)
        examine = onnx.examine if wanted == "onnx" else tflite.examine
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tuple(examine(data))
    except (ValueError, IndexError, struct.error) as error:
        raise InputError(
            f"{path.name}: not a complete {_COMPLETE[wanted]} ({error})", hint=_DAMAGED
        ) from error


def _check_head(path: Path, magic: bytes, offset: int) -> None:
    with path.open("rb") as file:
        head = file.read(offset + len(magic))
    if head[offset:] != magic:
        wanted = FORMATS[path.suffix.lower()]
        raise InputError(
            f"{path.name}: not {NAMES[wanted]} (the file starts with {head[:8].hex(' ')})",
            hint="the file is damaged, or has another format's ending",
        )


def _wrong_ending(path: Path, content: Content | None) -> InputError:
    if content is not None:
        return InputError(
            f"{path.name} is {NAMES[content.format]}, but does not end in .{content.format}",
            hint=f"rename it: mv {path.name} {path.stem}.{content.format}",
        )
    return InputError(
        f"{path.name}: expected a model file, received {path.suffix or 'no file ending'}",
        hint=f"known endings: {', '.join(FORMATS)}",
    )
