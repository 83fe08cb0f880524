"""Data sources: one file each, every source yields the same Dataset.

`load("digits")`, `load("mnist", data_dir=…)`, `load("folder:pictures/")`,
`load("spoken-digits:fsdd.npz?split=takes")`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from edgecnn.data.base import Dataset, DataWarning, Split
from edgecnn.errors import InputError
from edgecnn.registry import DATA_SOURCES

__all__ = ["DataWarning", "Dataset", "Split", "load"]


def load(name: str, *, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Load a data set by name; `source:location` gives a source its location, and what follows
    a question mark its options (`split=takes`).

    A bare path to a folder means `folder:`. Raises InputError when the source is unknown, has
    no such option, or its files are missing or damaged.
    """
    name, options = _options(name)
    source, _, location = name.partition(":")
    if source not in DATA_SOURCES.names() and Path(name).is_dir():
        source, location = "folder", name
    if not location and "/" in name:
        raise InputError(
            f"no such folder: {name}", hint="give a data set's name, or a folder of pictures"
        )
    if location:
        data_dir = Path(location)
    read = DATA_SOURCES.load(source)
    _check_options(source, read, options)
    dataset: Dataset = read(data_dir=data_dir, seed=seed, **options)
    return dataset


def _options(name: str) -> tuple[str, dict[str, str]]:
    """`name?key=value&…` → name and options; a question mark in a file's name is just that."""
    before, mark, query = name.rpartition("?")
    if not mark or "=" not in query or "/" in query:
        return name, {}
    return before, dict(parse_qsl(query, keep_blank_values=True))


def _check_options(source: str, read: Callable[..., Dataset], options: dict[str, str]) -> None:
    known = set(inspect.signature(read).parameters) - {"data_dir", "seed"}
    for option in options:
        if option not in known:
            raise InputError(
                f"data source {source!r} has no option {option!r}",
                hint=f"it has: {', '.join(sorted(known)) or 'none'}",
            )
