"""Check every model file before a library opens it."""

from __future__ import annotations

import hashlib
import os
import struct
from functools import lru_cache
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import NotAFileError, check_regular_file, sha256_of
from edgecnn.formats.base import UNREADABLE, Format
from edgecnn.formats.contents import HEAD_BYTES, carries_mark, identify
from edgecnn.formats.external import ExternalRange, check_external
from edgecnn.formats.folders import describe_folder
from edgecnn.formats.kinds import Content, by_suffix, known_suffixes
from edgecnn.formats.signature import Signature
from edgecnn.registry import FORMATS

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


def digest_of(path: Path, *, placed: Path | None = None) -> tuple[str, int]:
    """(sha256, bytes) of a model: of its file, or of all its files where it has several.

    With several files it is the digest of a list: a line for each, with the file's own digest
    and its place. `placed` is where the model will lie, after which its files are called then.
    Raises as `check_model_path`.
    """
    files = model_files(path)
    try:
        size = sum(file.stat().st_size for file in files)
        if len(files) == 1:
            return sha256_of(files[0]), size
        home = files[0].absolute().parent.resolve()
        lines = [f"{sha256_of(files[0])}  (model)\n"]
        places = [file.relative_to(home).as_posix() for file in files[1:]]
        if placed is not None:
            places = [_renamed(place, path.stem, placed.stem) for place in places]
        digests = map(sha256_of, files[1:])
        lines += [f"{digest}  {place}\n" for digest, place in zip(digests, places, strict=True)]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest(), size


def _renamed(name: str, stem: str, new: str) -> str:
    """The name of a model's further file once the first one is called otherwise."""
    return new + name.removeprefix(stem) if name.startswith(f"{stem}.") else name


def _check_path(path: Path) -> int:
    """The size of a regular file; raises InputError for anything else, a folder described."""
    if not os.path.lexists(path):
        raise InputError(f"no such file: {path}")
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path} is a link to {path.readlink()}, which does not exist",
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
        content = describe_folder(path)
    except OSError as error:
        return InputError(f"cannot read {path}: {error.strerror or error}")
    kind = f" ({content.what})" if content.what else ""
    return InputError(f"expected a model file, received a folder: {path}{kind}", hint=content.hint)


@lru_cache(maxsize=64)
def _examined(path: Path, _status: tuple[int, ...]) -> tuple[ExternalRange, ...]:
    """What a regular file reads of others. Remembered until the file changes (`_status`)."""
    content = identify(path)
    wanted = by_suffix(path)
    if content is not None and not content.format:
        raise InputError(f"{path.name} is {content.what}", hint=content.hint)
    if wanted is None:
        raise _wrong_ending(path, content)
    if content is not None and content.format != wanted.name:
        raise InputError(
            f"{path.name} is {content.what} by its content, not {wanted.title}",
            hint=_rename(path, content),
        )
    _check_head(path, wanted)
    try:
        return tuple(wanted.examine(path))
    except (*UNREADABLE, struct.error) as error:
        raise _incomplete(path, wanted, error) from error


def read_signature(path: Path) -> Signature:
    """What goes into a model and what comes out, read off its file.

    Raises as `check_model_path`, and InputError for a format that only its own library reads.
    """
    path = check_model_path(path)
    known = by_suffix(path)
    assert known is not None  # the check has found one
    try:
        signature = known.signature(path)
    except (*UNREADABLE, struct.error) as error:
        raise _incomplete(path, known, error) from error
    if signature is None:
        raise InputError(f"{path.name}: {known.title} can only be read by its own library")
    return signature


def _incomplete(path: Path, wanted: type[Format], error: Exception) -> InputError:
    title = wanted.title.partition(" ")[2]
    return InputError(f"{path.name}: not a complete {title} ({error})", hint=_DAMAGED)


def _check_head(path: Path, wanted: type[Format]) -> None:
    """Raise InputError for a file without the mark that its format has."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if wanted.magic and not carries_mark(wanted, head):
        raise InputError(
            f"{path.name}: not {wanted.title} (the file starts with {head[:8].hex(' ')})",
            hint="the file is damaged, or has another format's ending",
        )


def _rename(path: Path, content: Content) -> str:
    ending = FORMATS.load(content.format).suffixes[0]
    return f"rename it: mv {path.name} {path.stem}{ending}"


def _wrong_ending(path: Path, content: Content | None) -> InputError:
    if content is not None:
        ending = FORMATS.load(content.format).suffixes[0]
        return InputError(
            f"{path.name} is {content.what}, but does not end in {ending}",
            hint=_rename(path, content),
        )
    return InputError(
        f"{path.name}: expected a model file, received {path.suffix or 'no file ending'}",
        hint=f"known endings: {', '.join(known_suffixes())}",
    )
