"""Data sources: one file each, every source yields the same Dataset.

`load("digits")`, `load("mnist", data_dir=…)`, `load("folder:pictures/")`,
`load("spoken-digits:fsdd.npz?split=takes")`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from edgecnn.data.base import Dataset, Split
from edgecnn.data.left_out import DataWarning, LeftOut, described
from edgecnn.errors import InputError
from edgecnn.progress import Progress
from edgecnn.registry import DATA_SOURCES

__all__ = ["DataWarning", "Dataset", "LeftOut", "Split", "load"]

_NOT_OPTIONS = {"data_dir", "seed", "progress"}


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    strict: bool = False,
    classes: Sequence[str] = (),
    exif: str = "",
    progress: Progress | None = None,
) -> Dataset:
    """Load a data set by name; `source:location` gives a source its location, and what follows
    a question mark its options (`split=takes`).

    A bare path to a folder means `folder:`. What cannot be used is left out with one DataWarning
    and listed in `left_out`; with `strict` it is an error. Of boxes, `classes` (names or numbers)
    are the ones to find, and `exif` says how those of turned photos are meant: "stored" or
    "upright".

    Raises InputError when the source is unknown, has no such option, its files are missing or
    nothing sensible is left of them, and with `strict` for anything that is left out.
    """
    name, options = _options(name)
    source, _, location = name.partition(":")
    if source not in DATA_SOURCES.names() and Path(name).is_dir():
        source, location = "folder", name
    if not location and "/" in name:
        raise InputError(
            f"no such folder: {name}", hint="pass a data set's name, or a folder of images"
        )
    if location:
        data_dir = Path(location)
    read = DATA_SOURCES.load(source)
    if classes:
        options["classes"] = ",".join(classes)
    if exif:
        options["exif"] = exif
    parameters = set(inspect.signature(read).parameters)
    _check_options(source, parameters, options)
    more: dict[str, Any] = {"progress": progress} if progress and "progress" in parameters else {}
    dataset: Dataset = read(data_dir=data_dir, seed=seed, **options, **more)
    if dataset.left_out:
        if strict:
            raise InputError(
                f"{dataset.name}: {described(dataset.left_out)}",
                hint="correct or remove what is named; without --strict the rest is used",
            )
        warnings.warn(f"{dataset.name}: {described(dataset.left_out)}", DataWarning, stacklevel=2)
    return dataset


def _options(name: str) -> tuple[str, dict[str, str]]:
    """`name?key=value&…` → name and options; a question mark in a file's name is that character."""
    before, mark, query = name.rpartition("?")
    if not mark or "=" not in query or "/" in query:
        return name, {}
    return before, dict(parse_qsl(query, keep_blank_values=True))


def _check_options(source: str, parameters: set[str], options: Mapping[str, str]) -> None:
    for option in options:
        if option not in parameters - _NOT_OPTIONS:
            others = ", ".join(sorted(parameters - _NOT_OPTIONS)) or "none"
            raise InputError(
                f"data source {source!r} has no option {option!r}", hint=f"it has: {others}"
            )
