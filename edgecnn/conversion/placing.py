"""Putting a converted model in its place, which may be several files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecnn.files import atomic_path
from edgecnn.formats.check import model_files


@contextmanager
def model_path(path: Path) -> Iterator[Path]:
    """As `files.atomic_path`, for a model whose other files are named after its first one.

    The others are put in place first; what was there as the first file is gone by then, so that
    an interruption leaves no mixture of two models.
    """
    with atomic_path(path) as temporary:
        try:
            yield temporary
            others = _others(temporary)
            if others:
                path.unlink(missing_ok=True)
            for other in others:
                other.replace(_renamed(other, temporary, path))
        finally:
            for left in temporary.parent.iterdir():
                if left.name.startswith(f"{temporary.stem}.") and left != temporary:
                    left.unlink(missing_ok=True)


def copy_model(source: Path, path: Path) -> None:
    """Copy a model with all of its files."""
    shutil.copyfile(source, path)
    for other in _others(source):
        shutil.copyfile(other, _renamed(other, source, path))


def _others(path: Path) -> list[Path]:
    _, *others = model_files(path)
    return [other for other in others if other.name.startswith(f"{path.stem}.")]


def _renamed(other: Path, first: Path, path: Path) -> Path:
    return path.with_name(path.stem + other.name.removeprefix(first.stem))
