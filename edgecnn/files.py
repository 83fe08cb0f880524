"""Read and write files safely: size limits, atomic replacement, clear errors.

Writing: a file is either whole or not there, written under a temporary name, then renamed.
Reading: a path from a user must name a regular file, and no more of it is read than was said. A
named pipe, a device, a socket or a folder is refused at once: opening a pipe that nobody writes
to would wait for ever.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.system.scratch import new_file

IMAGE_ENDINGS = frozenset(
    (
        ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
        ".ppm", ".tif", ".tiff", ".webp",
    )
)  # fmt: skip
"""Of image files that are read, in lower case."""

MAX_JSON_BYTES = 64 << 20
"""Of JSON that describes something (a manifest, an index); what holds data names its own limit."""
_PIECE_BYTES = 1 << 20
_READING = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY")
)
"""Without O_NONBLOCK, opening a pipe waits for somebody who writes to it; Windows has neither."""
MAX_CONTAINERS = 2_000_000

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnreadableFileError(InputError):
    """A path that cannot be read as a file; `reason` is why, without the path."""

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class NotAFileError(UnreadableFileError):
    """A path that is there and names no regular file; `kind` says what it is ("a named pipe")."""

    def __init__(self, path: Path, kind: str) -> None:
        reason = f"expected a file, received {kind}"
        hint = (
            "pass a file inside it" if kind == "a folder" else "copy its content into a file first"
        )
        super().__init__(f"{reason}: {path}", reason=reason, hint=hint)
        self.kind = kind


def check_regular_file(path: Path) -> int:
    """The size in bytes of a regular file (or of the one that a link leads to).

    Never waits. Raises NotAFileError for a folder, a named pipe, a socket or a device, and
    InputError when there is nothing of that name.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unreadable(path, error) from error
    return _regular_size(path, status)


def open_regular_file(path: Path) -> io.BufferedReader:
    """Open a regular file to read bytes. Never waits, also when the file is replaced meanwhile.

    Raises as `check_regular_file`, and InputError when the file may not be read.
    """
    try:
        descriptor = os.open(path, _READING)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENXIO:  # a socket cannot be opened at all
            raise NotAFileError(path, "a socket or a device") from error
        raise _unreadable(path, error) from error
    try:
        _regular_size(path, os.fstat(descriptor))
        if os.name == "posix":
            os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return io.open(descriptor, "rb")  # noqa: UP020


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces. Raises as `open_regular_file`."""
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path, *, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises as `open_regular_file`, and InputError for a file that is larger.
    """
    with open_regular_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise _too_large(path, limit)
            content = file.read(size + 1)  # never limit + 1: read() takes that memory first
            while len(content) > size and (more := file.read(_PIECE_BYTES)):
                content += more  # it grew, or lies on a file system that does not know sizes
                if len(content) > limit:
                    break
        except OSError as error:
            raise _unreadable(path, error) from error
    if len(content) > limit:
        raise _too_large(path, limit)
    return content


def read_text_file(path: Path, *, limit: int) -> str:
    """A text in UTF-8, with or without its mark. Raises as `read_file`, and for other bytes."""
    try:
        return read_file(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.object[error.start]:#04x} at {error.start:,} is not UTF-8",
            hint="save the file as UTF-8",
        ) from error


def read_json_file(path: Path, *, limit: int = MAX_JSON_BYTES) -> Any:
    """What a JSON file holds. Raises as `read_text_file` and `parse_json`."""
    return parse_json(read_text_file(path, limit=limit), str(path))


def parse_json(text: str, where: str, *, containers: int = MAX_CONTAINERS) -> Any:
    """What JSON from anywhere holds; memory is at most 12 times the text's, and 200 MB more.

    Raises InputError for what is not JSON, is nested too deeply, has more than `containers` lists
    and objects (a list takes 64 bytes and two characters), holds a number of thousands of digits,
    or names a key twice.
    """
    if text.count("[") + text.count("{") > containers:
        raise InputError(
            f"{where}: more than {containers:,} lists and objects",
            hint="this is not the expected file",
        )
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError as error:
        raise InputError(
            f"{where}: its lists or objects are nested too deeply",
            hint="the file is damaged or not what its name says",
        ) from error
    except ValueError as error:
        raise InputError(
            f"{where}: not a complete JSON file ({error})",
            hint="the file is cut off, damaged or not what its name says",
        ) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder with the same ending; rename it on success.

    On any failure (a full disk, Ctrl-C) the temporary file is removed and `path` is as it was.
    Raises InputError when the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = new_file(path.parent, path.stem[:40], path.suffix)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", hint="choose another --out"
        ) from error
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free some space or choose another --out; what was there before is untouched",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never half of it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def refuse_overwrite(path: Path, *, force: bool) -> None:
    """Raise InputError when `path` exists and the user did not say --force."""
    if path.exists() and not force:
        raise InputError(f"{path} exists already", hint="pass --force to overwrite it")


def refuse_input_as_output(out: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError when `out` is one of the files that are read, by any name or link."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(
                f"{out} is read here and would be overwritten", hint="choose another place"
            )


def _regular_size(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(path, _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file"))
    return status.st_size


def _unreadable(path: Path, error: OSError | ValueError) -> UnreadableFileError:
    if isinstance(error, FileNotFoundError):
        return UnreadableFileError(f"no such file: {path}", reason="no such file")
    reason = getattr(error, "strerror", None) or str(error)
    return UnreadableFileError(f"cannot read {path}: {reason}", reason=reason)


def _too_large(path: Path, limit: int) -> UnreadableFileError:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit:,} bytes"
    return UnreadableFileError(
        f"{path}: larger than {size}",
        reason=f"larger than {size}",
        hint="this is not the expected file",
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dictionary; of a key that comes twice nobody knows which value is meant."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:80]!r} comes twice in one object")
    return values


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
