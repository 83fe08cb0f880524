"""Results in files, one session each: what `edgecnn benchmark --out` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edgecnn.errors import InputError


def find(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that are named, and every .json file below the folders that are.

    Links to folders are not followed. Raises InputError for a path where nothing is.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        any_file = False
        for file in sorted(path.rglob("*.json")):
            if file.is_file() and not file.name.startswith("."):
                any_file = True
                yield file
        if not any_file:
            raise InputError(f"no .json file in {path}", hint="name results files or their folder")


def named(folder: Path, number: int, created_at: str) -> Path:
    """Where an exported session is written: its date and its number in the database."""
    day = "".join(char for char in created_at[:10] if char.isdigit() or char == "-") or "undated"
    return folder / f"results-{day}-{number}.json"
