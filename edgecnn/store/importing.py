"""Import many results files: read and packed by several processes, stored by this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.progress import Progress, silent
from edgecnn.results import Results
from edgecnn.store import json_files

if TYPE_CHECKING:
    from edgecnn.store.sql import Added, Database, PackedResults

Loader = Callable[[Path], Sequence[Results]]
TOGETHER = 50
"""Sessions of one transaction: each takes a lock and ends with a write to the disk."""
FEWEST_FOR_HELP = 64
"""Files from which on other processes are worth their start (half a second each)."""


@dataclass
class Imported:
    """What became of the files."""

    files: int = 0
    new: int = 0
    grown: int = 0
    known: int = 0
    relabeled: int = 0
    renamed: int = 0
    left_out: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)

    def enter(self, added: Sequence[Added]) -> None:
        """Count sessions."""
        self.new += sum(each.new for each in added)
        self.grown += sum(each.grown for each in added)
        self.known += sum(each.known for each in added)
        self.relabeled += sum(each.relabeled for each in added)
        self.renamed += sum(each.renamed for each in added)

    def __str__(self) -> str:
        parts = [f"{self.new:,} new"]
        for count, what in (
            (self.grown, "with further processes"),
            (self.known, "known already"),
            (self.left_out, "unreadable and left out"),
        ):
            if count:
                parts.append(f"{count:,} {what}")
        text = f"{self.files:,} file{'s' * (self.files != 1)}: measurements: {', '.join(parts)}"
        for count, what in ((self.relabeled, "label"), (self.renamed, "machine")):
            if count:
                text += f"; {count:,} with a new {what}"
        return text

    def require_anything(self) -> None:
        """Raise InputError when no file could be read."""
        if not self.files and self.refused:
            path, reason = self.refused[0]
            raise InputError(
                f"none of {len(self.refused)} files holds results, first {path.name}: {reason}",
                hint="edgecnn benchmark --out results.json writes them",
            )


def import_all(
    database: Database,
    paths: Sequence[Path],
    *,
    label: str,
    commit: str = "",
    machine: str = "",
    load: Loader | None = None,
    progress: Progress = silent,
) -> Imported:
    """Store every results file, and those in folders. Any other file is noted and left out.

    `load` reads a file (one session in a results file by default); it is called in other
    processes, too, and so must be a module's function.

    Raises InputError for a path where nothing is, and for a label that is empty.
    """
    if not label.strip():
        raise InputError("--label is empty", hint="pass a name, as in main")
    files = list(dict.fromkeys(json_files.find(paths)))
    imported = Imported()
    waiting: list[PackedResults] = []
    for number, (path, packed, left_out, reason) in enumerate(
        _packed(files, machine, load or load_one)
    ):
        progress("import", number, len(files), path.name)
        if reason:
            imported.refused.append((path, reason))
            continue
        imported.files += 1
        imported.left_out += left_out
        waiting += packed
        if len(waiting) >= TOGETHER:
            imported.enter(database.add_many(waiting, label=label, commit=commit))
            waiting = []
    if waiting:
        imported.enter(database.add_many(waiting, label=label, commit=commit))
    progress("import", len(files), len(files), "")
    return imported


_Read = tuple[Path, tuple["PackedResults", ...], int, str]


def _packed(files: Sequence[Path], machine: str, load: Loader) -> Iterator[_Read]:
    """Every file read and packed, in order: (path, sessions, rows left out, why it is not one)."""
    work = partial(read_and_pack, load, machine)
    helpers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 8)
    if len(files) < FEWEST_FOR_HELP or helpers < 2:
        yield from map(work, files)
        return
    with ProcessPoolExecutor(helpers, mp_context=get_context("spawn")) as pool:
        for start in range(0, len(files), 1_000):  # no more than that waits in memory
            yield from pool.map(work, files[start : start + 1_000], chunksize=8)


def read_and_pack(load: Loader, machine: str, path: Path) -> _Read:
    """One file, read and packed; runs in another process, too."""
    from edgecnn.store.sql import pack

    try:
        loaded = load(path)
    except EdgeCNNError as error:
        return path, (), 0, error.message
    packed = tuple(pack(results, machine) for results in loaded)
    return path, packed, sum(len(results.left_out) for results in loaded), ""


def load_one(path: Path) -> Sequence[Results]:
    """The session of a results file. Raises InputError."""
    return [Results.load(path)]
