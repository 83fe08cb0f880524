"""GTSRB: 43 kinds of German traffic signs (Stallkamp and others 2012).

Training images come in tracks of about 30 frames of one physical sign, so near-twins. A
validation split that shares tracks with training would measure memory: tracks stay whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.assemble import as_labels, assemble
from edgecnn.data.base import Dataset, Labels, Split
from edgecnn.data.files.images import ImageFiles
from edgecnn.data.files.npz import need, read_npz
from edgecnn.data.files.places import only_file, required_place
from edgecnn.data.files.readable_images import ReadableImage, readable_images
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError
from edgecnn.files import read_text_file
from edgecnn.progress import Progress

LABELS = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for heavy vehicles",
    "right of way at the next crossing",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no heavy vehicles",
    "no entry",
    "danger",
    "curve to the left",
    "curve to the right",
    "double curve",
    "uneven road",
    "slippery road",
    "road narrows on the right",
    "road works",
    "traffic signals",
    "pedestrians",
    "children",
    "bicycles",
    "ice and snow",
    "wild animals",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "straight or right",
    "straight or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for heavy vehicles",
)
FRACTIONS = {"train": 0.85, "validation": 0.15, "test": 0.15}
SOURCE = "GTSRB (Stallkamp, Schlipsing, Salmen, Igel 2012, INI Bochum)"
HINTS = {"fit": "stretch", "contrast": "picture"}
"""Crops are from nearly black to nearly white, as the sun stood."""
MAX_TABLE_BYTES = 16 << 20
TWIN_CORRELATION = 0.85
"""Crops of one class that correlate more than this count as the same sign where nothing names
the track. Between different signs of a class the best match has a median of 0.74 (measured on
1,052 crops against 3,440 of other tracks), among crops of the same tracks 0.86.
"""
_TRACK = re.compile(r"(\d+)_\d+$")
_TRAINING = ("GTSRB/Final_Training/Images", "Final_Training/Images", "Images", ".")
_TEST = ("GTSRB/Final_Test/Images", "Final_Test/Images")
_EXPECTED = (
    "GTSRB/Final_Training/Images/00000/*.ppm, or an .npz of x_train, y_train, x_test, y_test"
)


def load(
    *, data_dir: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> Dataset:
    """Traffic signs as uint8 (height, width, 3).

    `data_dir` has the authors' folders, images of 15 to 250 pixels read when they are asked
    for; their test split needs GT-final_test.csv (with ClassId) next to its images, and is
    carved from the training tracks without it. Or it is an .npz (or a folder with one) of crops
    of one size; their tracks are unknown, so similar crops stay together.

    Broken images are left out with one DataWarning. Raises InputError when files are missing
    or damaged, or a class has too few tracks to split.
    """
    place = required_place(data_dir, "gtsrb", _EXPECTED)
    root = next((place / name for name in _TRAINING if (place / name / "00000").is_dir()), None)
    if root is None:
        return _from_npz(only_file(place, ".npz", _EXPECTED), seed)
    return _from_folders(place, root, seed, progress)


def _from_npz(path: Path, seed: int) -> Dataset:
    arrays = read_npz(path)
    parts = {}
    for split in ("train", "test"):
        images, labels = need(arrays, f"x_{split}", f"y_{split}", path=path)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise InputError(
                f"{path}: expected x_{split} of uint8 (n, height, width, 3), "
                f"received: {images.dtype} {images.shape}"
            )
        parts[split] = Split(images, as_labels(labels, f"{path}, y_{split}"))
    train = parts["train"]
    images = np.asarray(train.samples)
    return assemble(
        "gtsrb",
        parts,
        LABELS,
        sample_shape=images.shape[1:],
        source=SOURCE,
        seed=seed,
        fractions=FRACTIONS,
        groups=look_alikes(images, train.labels).tolist(),
        hints=HINTS,
    )


def look_alikes(images: npt.NDArray[np.uint8], labels: Labels) -> npt.NDArray[np.int64]:
    """A group number (n,) for each image (n, height, width, 3): images of one class that
    correlate more than TWIN_CORRELATION, directly or through others, have the same.
    """
    groups = np.arange(len(images))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        gray = images[members].mean(axis=3, dtype=np.float32).reshape(len(members), -1)
        gray -= gray.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(gray, axis=1, keepdims=True)
        gray /= np.where(norms > 0, norms, 1)
        similar = gray @ gray.T > TWIN_CORRELATION
        np.fill_diagonal(similar, True)
        # Each takes the smallest number among those like it, until nothing changes.
        numbers = np.arange(len(members))
        while True:
            smallest = np.where(similar, numbers[None, :], len(members)).min(axis=1)
            if (smallest == numbers).all():
                break
            numbers = smallest
        groups[members] = members[numbers]
    return groups


def _from_folders(place: Path, root: Path, seed: int, progress: Progress | None) -> Dataset:
    left_out: list[LeftOut] = []
    images = [
        (path, label)
        for label in range(len(LABELS))
        for path in sorted((root / f"{label:05d}").glob("*.ppm"))
    ]
    entries = {"train": readable_images(images, place, left_out, progress)}
    test = next((place / name for name in _TEST if (place / name).is_dir()), None)
    ground_truth = _test_labels(place, test) if test is not None else None
    if ground_truth is not None:
        entries["test"] = readable_images(ground_truth, place, left_out, progress)
    parts = {split: _split(chosen) for split, chosen in entries.items()}
    heights, widths = zip(*(entry.shape[:2] for entry in entries["train"]), strict=True)
    return assemble(
        "gtsrb",
        parts,
        LABELS,
        sample_shape=(int(np.median(heights)), int(np.median(widths)), 3),
        source=SOURCE,
        seed=seed,
        fractions=FRACTIONS,
        groups=[_track(entry.path) for entry in entries["train"]],
        digests={split: [entry.digest for entry in chosen] for split, chosen in entries.items()},
        # The crops of 32×32 that gtsrb_small is made of have these, after scaling to 0…1.
        hints=HINTS,
        left_out=left_out,
    )


def _split(entries: Sequence[ReadableImage]) -> Split:
    if not entries:
        raise InputError("gtsrb: no readable images", hint=f"expected {_EXPECTED}")
    labels = np.asarray([entry.label for entry in entries], np.int64)
    return Split(ImageFiles(tuple(entry.path for entry in entries), 3), labels)


def _track(path: Path) -> str:
    """00012 of 00012_00029.ppm; the image's own name where it contains none."""
    match = _TRACK.search(path.stem)
    return match[1] if match else path.stem


def _test_labels(place: Path, folder: Path) -> list[tuple[Path, int]] | None:
    """Images of the test split with their classes; None when no table has the classes."""
    places = (folder, folder.parent, folder.parent.parent, place)
    tables = (at / "GT-final_test.csv" for at in places)
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        return None
    images: list[tuple[Path, int]] = []
    lines = read_text_file(table, limit=MAX_TABLE_BYTES).splitlines()
    try:
        rows = list(csv.DictReader(lines, delimiter=";"))
    except csv.Error as error:
        raise InputError(f"{table}: not a table ({error})") from error
    for number, row in enumerate(rows, start=2):
        name, label = _cell(row, "Filename"), _cell(row, "ClassId")
        if not label.isdecimal() or len(label) > 9 or int(label) >= len(LABELS):
            raise InputError(
                f"{table}, line {number}: expected a ClassId of 0 to {len(LABELS) - 1}, "
                f"received: {label!r}"
            )
        images.append((folder / Path(name).name, int(label)))
    return images


def _cell(row: dict[str, Any], column: str) -> str:
    return str(row.get(column) or "").strip()
