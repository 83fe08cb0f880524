"""Weights that a model keeps in other files: only in its own folder, only where they are.

A model file may name any path for its weights. One that names `/etc/passwd` would have a runtime
read it, and the network's output would be that file. So each named file is looked at before any
library is: it lies in the model's folder or below it, no link leads out of there, it is a regular
file, and every range that is read of it lies inside of it and overlaps no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgecnn.errors import InputError
from edgecnn.files import NotAFileError, check_regular_file

_REFUSED = "do not use this file unless you know who made it: an honest one has them next to it"


@dataclass(frozen=True)
class ExternalRange:
    """A stretch of another file that holds a tensor. `length` 0 stands for: to the end."""

    tensor: str
    location: str
    offset: int = 0
    length: int = 0


def check_external(path: Path, ranges: Sequence[ExternalRange]) -> list[Path]:
    """The other files that belong to the model `path`, in the order of their names.

    A relative location counts from the folder of the model file; where that is reached through
    a link, from both the link's and the file's own folder, so that no reader finds another one.
    Raises InputError for a location that leaves the folder, for anything but a regular file, for
    a file that is missing, and for ranges outside of it or across one another.
    """
    paths: dict[str, Path] = {}
    for location in sorted({each.location for each in ranges}):
        _check_name(path, location)
        target = path.resolve()
        paths[location] = _check_place(path, target.parent, location)
        link_folder = path.absolute().parent
        if link_folder.resolve() != target.parent and os.path.lexists(link_folder / location):
            _check_place(path, link_folder, location)
    reals = {location: named.resolve() for location, named in paths.items()}
    files = {reals[location]: named for location, named in paths.items()}  # of several names one
    parts: dict[Path, list[ExternalRange]] = {real: [] for real in files}
    for each in ranges:
        parts[reals[each.location]].append(each)
    for real, other in files.items():
        _check_ranges(path, other, parts[real])
    return list(files.values())


def _check_name(path: Path, location: str) -> None:
    parts = location.replace("\\", "/").split("/")
    controls = any(char < " " or char == "\x7f" for char in location)
    plain = (
        not controls
        and not PurePosixPath(location).is_absolute()
        and not PureWindowsPath(location).drive
        and not location.startswith("\\")
        and not (parts[0].startswith("~") and len(parts) > 1)
    )
    if not location or not plain or ".." in parts or "://" in location:
        raise _outside(path, location)


def _check_place(path: Path, folder: Path, location: str) -> Path:
    """The file that a location names, which lies in `folder` also when links are followed."""
    named = folder / location
    try:
        real, home = named.resolve(strict=False), folder.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a ring of links
        raise _outside(path, location) from error
    if not real.is_relative_to(home) or real == home:
        raise _outside(path, location)
    if not named.exists():
        raise InputError(
            f"{path.name} keeps its weights in {location}, which does not exist",
            hint=f"copy {PurePosixPath(location).name} to {named.parent}, "
            "where it was when the model was saved",
        )
    try:
        check_regular_file(real)
    except NotAFileError as error:
        raise InputError(
            f"{path.name} keeps its weights in {location}, which is {error.kind}", hint=_REFUSED
        ) from error
    return named


def _outside(path: Path, location: str) -> InputError:
    return InputError(
        f"{path.name} reads its weights from {location!r}, outside its own folder",
        hint=f"{_REFUSED}; links are followed: copy what they lead to",
    )


def _check_ranges(path: Path, other: Path, ranges: Iterable[ExternalRange]) -> None:
    size = other.stat().st_size
    before: ExternalRange | None = None
    for each in _in_order(ranges):
        if each.offset < 0 or each.length < 0 or each.offset + each.length > size:
            raise InputError(
                f"{path.name}: the weights of {each.tensor!r} are bytes {each.offset:,} to "
                f"{each.offset + each.length:,} of {each.location}, which has {size:,}",
                hint=f"{each.location} is not complete, or belongs to another model: "
                "copy both files again",
            )
        same = before is not None and (before.offset, before.length) == (each.offset, each.length)
        if before is not None and not same and each.offset < before.offset + before.length:
            raise InputError(
                f"{path.name}: the weights of {before.tensor!r} and {each.tensor!r} overlap in "
                f"{each.location}",
                hint="the file is damaged or malicious: convert the model again",
            )
        before = each


def _in_order(ranges: Iterable[ExternalRange]) -> Iterator[ExternalRange]:
    return iter(sorted(ranges, key=lambda each: (each.offset, each.length)))
