"""Texts with a class each, UTF-8.

reviews.csv, reviews.tsv          columns text and label, by header or in this order
train.csv, test.csv, …            in one folder: the splits as they are
rt-polarity.pos, rt-polarity.neg  a file per class, a text a line (also pos.txt, neg.txt)
pos/…txt, neg/…txt                a folder per class, a text a file
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.assemble import assemble
from edgecnn.data.base import Dataset, Split
from edgecnn.data.left_out import LeftOut
from edgecnn.data.places import required_place
from edgecnn.data.splits import missing_splits
from edgecnn.data.text_files import TABLES, Row, class_files, class_folders, read_table
from edgecnn.errors import InputError
from edgecnn.preprocessing.text import build_vocabulary, tokens

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
USUAL_SHARE = 99
"""A text tensor is as long as this percentage of the training texts is at most."""
SHORTEST = 8
"""Words that a tensor has at least: filters look at 3 to 5 in a row."""
RARE = 2
"""A word seen less often in training is no part of the vocabulary: it teaches the network what
to make of words it does not know.
"""
_SPLIT_FILES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
_EXPECTED = "a .csv or .tsv of text and label, a file per class, or a folder of .txt per class"


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Texts as str. Absent splits are carved by `seed`, a tenth for the test and one for
    validation; the vocabulary is that of the training split alone.

    Empty texts, and files of one text that are not UTF-8, are left out with one DataWarning.

    Raises InputError when nothing fits, for fewer than two classes, for a class in one split
    that training does not know, and, naming file and line, for lines that are not UTF-8.
    """
    place = required_place(data_dir, "text", _EXPECTED)
    left_out: list[LeftOut] = []
    rows = {
        split: _without_empty(found, left_out) for split, found in _read(place, left_out).items()
    }
    class_names = _class_names(rows["train"], place)
    parts = {split: _split(found, class_names, split) for split, found in rows.items()}
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
    )


def _read(place: Path, left_out: list[LeftOut]) -> dict[str, list[Row]]:
    if place.is_file():
        return {"train": read_table(place)}
    tables = {path.stem.lower(): path for path in sorted(place.iterdir()) if path.suffix in TABLES}
    splits = {
        split: read_table(tables[name])
        for split, names in _SPLIT_FILES.items()
        for name in names
        if name in tables
    }
    if "train" in splits:
        return splits
    if len(tables) == 1:
        return {"train": read_table(next(iter(tables.values())))}
    if tables:
        raise InputError(f"{place} holds {', '.join(tables)}", hint="name the file itself")
    roots = {
        split: place / name
        for split, names in _SPLIT_FILES.items()
        for name in names
        if (place / name).is_dir()
    }
    if "train" in roots:
        return {split: class_folders(root, place, left_out) for split, root in roots.items()}
    rows = class_files(place) or class_folders(place, place, left_out)
    if not rows:
        raise InputError(f"{place} holds no texts", hint=f"expected {_EXPECTED}")
    return {"train": rows}


def _without_empty(rows: Sequence[Row], left_out: list[LeftOut]) -> list[Row]:
    kept = []
    for row in rows:
        if tokens(row.text):
            kept.append(row)
        else:
            left_out.append(LeftOut(row.where, "no words", "row"))
    return kept


def _class_names(rows: Sequence[Row], place: Path) -> tuple[str, ...]:
    """In alphabetical order; whole numbers by size."""
    counts = Counter(row.label for row in rows)
    if len(counts) < 2:
        received = f"one class ({next(iter(counts))})" if counts else "no texts"
        raise InputError(f"{place}: received {received}", hint=f"expected {_EXPECTED}")
    if len(counts) > len(rows) // 2:
        raise InputError(
            f"{place}: {len(counts)} different labels for {len(rows)} texts, "
            f"such as {next(iter(counts))[:40]!r}",
            hint="the columns are text and label, in this order or named so in a header",
        )
    if all(name.isdecimal() for name in counts):
        return tuple(sorted(counts, key=int))
    return tuple(sorted(counts))


def _split(rows: Sequence[Row], class_names: Sequence[str], split: str) -> Split:
    index = {name: label for label, name in enumerate(class_names)}
    for row in rows:
        if row.label not in index:
            raise InputError(
                f"{row.where}: {row.label!r} ({split}) is a class that training does not have",
                hint=f"training has: {', '.join(class_names)}",
            )
    labels = np.asarray([index[row.label] for row in rows], np.int64)
    return Split(tuple(row.text for row in rows), labels)


def _usual_length(texts: Sequence[Any]) -> int:
    lengths = [len(tokens(text)) for text in texts]
    return max(SHORTEST, int(np.ceil(np.percentile(lengths, USUAL_SHARE))))
