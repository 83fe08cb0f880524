"""Data sources: one file each, every source yields the same Dataset.

`load("digits")`, `load("mnist", data_dir=…)`, `load("folder:pictures/")`.
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.base import Dataset, DataWarning, Split
from edgecnn.errors import InputError
from edgecnn.registry import DATA_SOURCES

__all__ = ["DataWarning", "Dataset", "Split", "load"]


def load(name: str, *, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Load a data set by name; `source:location` gives a source its location.

    A bare path to a folder means `folder:`. Raises InputError when the source is unknown or
    its files are missing or damaged.
    """
    source, _, location = name.partition(":")
    if source not in DATA_SOURCES.names() and Path(name).is_dir():
        source, location = "folder", name
    if not location and "/" in name:
        raise InputError(
            f"no such folder: {name}", hint="give a data set's name, or a folder of pictures"
        )
    if location:
        data_dir = Path(location)
    dataset: Dataset = DATA_SOURCES.load(source)(data_dir=data_dir, seed=seed)
    return dataset
