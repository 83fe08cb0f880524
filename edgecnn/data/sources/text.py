"""Texts with a class each, in UTF-8 or with a mark of UTF-16.

reviews.csv, reviews.tsv          columns text and label, by header or in this order
train.csv, test.csv, …            in one folder: the splits as they are
rt-polarity.pos, rt-polarity.neg  a file per class, a text a line (also pos.txt, neg.txt)
pos/…txt, neg/…txt                a folder per class, a text a file
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.assemble import assemble
from edgecnn.data.base import SPLITS, Dataset, Split
from edgecnn.data.files.places import required_place
from edgecnn.data.files.text_decoding import check_encoding
from edgecnn.data.files.text_files import class_files, class_folders
from edgecnn.data.files.text_tables import TABLES, TableRow, read_table
from edgecnn.data.files.tree import is_plain_split, is_system, split_of, sub_folders, unwrapped
from edgecnn.data.left_out import LeftOut, described
from edgecnn.data.splits import missing_splits
from edgecnn.errors import InputError
from edgecnn.preprocessing.text import build_vocabulary, tokens

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
USUAL_SHARE = 99
"""A text tensor is as long as this percentage of the training texts is at most."""
SHORTEST = 8
"""Words that a tensor has at least: filters look at 3 to 5 in a row."""
RARE = 2
"""A word seen less often in training is not a part of the vocabulary: it teaches the network what
to make of words it does not know.
"""
_EXPECTED = "a .csv or .tsv of text and label, a file per class, or a folder of .txt per class"


def load(*, data_dir: Path | None = None, seed: int = 0, encoding: str = "") -> Dataset:
    """Texts as str. Absent splits are carved by `seed`, a tenth for the test and one for
    validation; the vocabulary is that of the training split alone. `encoding` is that of files
    that are not UTF-8.

    Left out are empty texts, rows that do not fit, lines and files that cannot be decoded, and
    classes with too few texts. Raises InputError when nothing fits, for fewer than two classes,
    and, naming file and line, for a file that is in another encoding altogether.
    """
    place = required_place(data_dir, "text", _EXPECTED)
    check_encoding(encoding)
    reader = _Reader(place, encoding)
    try:
        splits = reader.splits()
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    left_out = reader.left_out
    rows = {split: _without_empty(read, left_out) for split, read in splits.items()}
    rows = _usable(rows, place, left_out)
    class_names = _class_names(rows["train"], place, left_out)
    parts = {split: _split(read, class_names) for split, read in rows.items()}
    carved = missing_splits(
        parts["train"].labels, parts, class_names, seed=seed, fractions=FRACTIONS
    )
    training = [parts["train"].samples[int(index)] for index in carved["train"]]
    return assemble(
        place.resolve().stem,
        parts,
        class_names,
        modality="text",
        sample_shape=(_usual_length(training),),
        source="texts",
        seed=seed,
        fractions=FRACTIONS,
        hints={"vocabulary": build_vocabulary(training, at_least=RARE)},
        left_out=left_out,
        notes=reader.notes,
    )


class _Reader:
    """Finds the files of a place and reads them, noting what is left out."""

    def __init__(self, place: Path, encoding: str) -> None:
        self.left_out: list[LeftOut] = []
        self.notes: list[str] = []
        self._place = place
        self._encoding = encoding

    def splits(self) -> dict[str, list[TableRow]]:
        """The rows of each split that the files name; all of them as "train" where none does."""
        if self._place.is_file():
            return {"train": self._table(self._place)}
        place = unwrapped(self._place, lambda path: not is_system(path.name), keep=is_plain_split)
        tables = [
            path
            for path in sorted(place.iterdir())
            if path.suffix.casefold() in TABLES and not is_system(path.name)
        ]
        if tables:
            return self._tables(place, tables)
        roots = {split: child for child in sub_folders(place) if (split := split_of(child.name))}
        if "train" in roots:
            return {
                split: class_folders(roots[split], place, self.left_out, self._encoding)
                for split in SPLITS
                if split in roots
            }
        rows = class_files(place, self.left_out, self._encoding)
        rows = rows or class_folders(place, place, self.left_out, self._encoding)
        if not rows:
            lost = described(self.left_out)
            raise InputError(
                f"{place} holds no texts" + (f"; {lost}" if lost else ""),
                hint=f"expected {_EXPECTED}",
            )
        return {"train": rows}

    def _tables(self, place: Path, tables: Sequence[Path]) -> dict[str, list[TableRow]]:
        if len(tables) == 1:
            return {"train": self._table(tables[0])}
        of_split: dict[str, Path] = {}
        for path in tables:
            of_split.setdefault(split_of(path.stem) or path.name, path)
        if "train" not in of_split:
            names = ", ".join(path.name for path in tables[:10])
            raise InputError(f"{place} holds {names}", hint="name the file itself")
        splits = {"train": self._table(of_split["train"])}
        labels = {row.label for row in splits["train"]}
        for split in SPLITS[1:]:
            if split in of_split:
                rows = self._judged(of_split[split], labels)
                if rows:
                    splits[split] = rows
        used = {of_split[split] for split in splits}
        for path in tables:
            if path not in used and not any(path.name == entry.file for entry in self.left_out):
                self.left_out.append(LeftOut(path.name, "its name is that of no split"))
        return splits

    def _judged(self, path: Path, labels: set[str]) -> list[TableRow]:
        """The rows of a table next to the training's; none when it has no labels (as the tests of
        competitions), or other ones.
        """
        before, notes_before = len(self.left_out), len(self.notes)
        try:
            rows = self._table(path)
        except InputError as error:
            reason = error.message
        else:
            if sum(row.label in labels for row in rows) > len(rows) / 2:
                return rows
            reason = "it has no column of training's labels"
        del self.left_out[before:], self.notes[notes_before:]
        self.left_out.append(LeftOut(path.name, reason))
        return []

    def _table(self, path: Path) -> list[TableRow]:
        suffix = path.suffix.casefold()
        if suffix not in (*TABLES, ".txt", ""):
            raise InputError(f"{path}: expected a .csv or .tsv", hint=f"or {_EXPECTED}")
        return read_table(path, self.left_out, self.notes, self._encoding)


def _without_empty(rows: Sequence[TableRow], left_out: list[LeftOut]) -> list[TableRow]:
    kept = []
    for row in rows:
        if tokens(row.text):
            kept.append(row)
        else:
            left_out.append(LeftOut(row.where, "no words", "row"))
    return kept


def _usable(
    rows: Mapping[str, list[TableRow]], place: Path, left_out: list[LeftOut]
) -> dict[str, list[TableRow]]:
    """Rows of classes that have enough of them in training to give each split one.

    Raises InputError for a single class, and for a column of labels that holds none.
    """
    counts = Counter(row.label for row in rows["train"])
    if len(counts) < 2:
        raise _too_few(tuple(counts), place, left_out)
    if len(counts) > max(2, len(rows["train"]) // 2):
        raise InputError(
            f"{place}: {len(counts)} different labels for {len(rows['train'])} texts, "
            f"such as {next(iter(counts))[:40]!r}",
            hint="the columns are text and label, in this order or named so in a header",
        )
    carved = [split for split in SPLITS if split not in rows]
    needed = len(carved) + 1
    usable = {label for label, count in counts.items() if count >= needed}
    kept: dict[str, list[TableRow]] = {split: [] for split in rows}
    for split, read in rows.items():
        for row in read:
            if row.label in usable:
                kept[split].append(row)
                continue
            reason = f"{row.label!r} ({split}) is a class that training does not have"
            if counts[row.label]:
                reason = (
                    f"class {row.label!r} has {counts[row.label]} sample(s), expected at least "
                    f"{needed}: one for each of {', '.join(['train', *carved])}"
                )
            left_out.append(LeftOut(row.where, reason, "row"))
    return kept


def _class_names(
    rows: Sequence[TableRow], place: Path, left_out: Sequence[LeftOut]
) -> tuple[str, ...]:
    """In alphabetical order; whole numbers by size."""
    names = sorted({row.label for row in rows})
    if len(names) < 2:
        raise _too_few(names, place, left_out)
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    return tuple(names)


def _too_few(names: Sequence[str], place: Path, left_out: Sequence[LeftOut]) -> InputError:
    received = f"one class ({names[0]})" if names else "no texts"
    lost = f"; {described(left_out)}" if left_out else ""
    return InputError(f"{place}: received {received}{lost}", hint=f"expected {_EXPECTED}")


def _split(rows: Sequence[TableRow], class_names: Sequence[str]) -> Split:
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.asarray([index[row.label] for row in rows], np.int64)
    return Split(tuple(row.text for row in rows), labels)


def _usual_length(texts: Sequence[Any]) -> int:
    lengths = [len(tokens(text)) for text in texts]
    return max(SHORTEST, int(np.ceil(np.percentile(lengths, USUAL_SHARE))))
