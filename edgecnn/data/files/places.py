"""Locate a source's files: the file or folder that the user named, or the cache."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.system.places import cache_home


def cache_folder(name: str) -> Path:
    """Where downloads lie: $EDGECNN_HOME/data/<name>, by default in the user's cache."""
    return cache_home() / "data" / name


def required_place(data_dir: Path | None, source: str, expected: str) -> Path:
    """The file or folder of a source that has no download. Raises InputError without one."""
    if data_dir is None:
        raise InputError(f"{source} needs a path", hint=f"--data {source}:PATH with {expected}")
    if not data_dir.exists():
        raise InputError(f"no such file or folder: {data_dir}", hint=f"expected {expected}")
    return data_dir


def only_file(place: Path, ending: str, expected: str) -> Path:
    """`place` itself, or the one file with `ending` in it. Raises InputError for none or many."""
    if place.is_file():
        return place
    paths = sorted(path for path in place.glob(f"*{ending}") if path.is_file())
    if len(paths) != 1:
        names = ", ".join(path.name for path in paths) or "none"
        raise InputError(
            f"{place}: expected one {ending} file, received: {names}",
            hint="name the file itself" if paths else f"expected {expected}",
        )
    return paths[0]
