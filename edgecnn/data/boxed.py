"""Annotated pictures as a data set: `coco:PLACE`, `voc:PLACE`, `yolo:PLACE`.

PLACE is what the readers take: a folder, for COCO the JSON file as well. All of it is the split
"test", unless it has folders `train`, `validation` (or `val`, `valid`) and `test` that are
annotated themselves. Stop signs are looked for, by the name that a format usually gives them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data.base import Dataset, Split
from edgecnn.data.boxes import BoxDataset, BoxedFile, picture_size
from edgecnn.data.boxes_coco import load_coco
from edgecnn.data.boxes_voc import load_voc
from edgecnn.data.boxes_yolo import load_yolo
from edgecnn.data.pictures import PictureFiles
from edgecnn.errors import InputError
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.registry import require

Reader = Callable[[Path], BoxDataset]

SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}


@dataclass(frozen=True)
class BoxSplit(Split):
    """Pictures with boxes; `labels` (n,) counts the boxes of each."""

    files: tuple[BoxedFile, ...] = ()

    @property
    def truth(self) -> Sequence[BoxedFile]:
        return self.files


class BoxedPictures(Dataset):
    """A data set whose answers are boxes: its pictures are letterboxed, never squeezed."""

    def preprocessing(self, input_shape: Sequence[int]) -> LetterboxPreprocessing:
        if len(input_shape) != 3 or input_shape[2] != 3:
            raise InputError(
                f"{self.name} holds colour pictures and needs an input (height, width, 3), "
                f"received: {tuple(input_shape)}"
            )
        height, width, channels = (int(size) for size in input_shape)
        return LetterboxPreprocessing(height, width, channels)


def coco(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """COCO's JSON. Raises InputError as `boxes_coco.load_coco` does."""
    return _load("coco", load_coco, data_dir, seed)


def voc(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Pascal VOC's XML files. Raises InputError as `boxes_voc.load_voc` does."""
    return _load("voc", load_voc, data_dir, seed)


def yolo(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """YOLO's text files. Raises InputError as `boxes_yolo.load_yolo` does."""
    return _load("yolo", load_yolo, data_dir, seed)


def _load(source: str, read: Reader, place: Path | None, seed: int) -> Dataset:
    require("PIL.Image", "train")
    if place is None:
        raise InputError(f"{source} data need their place", hint=f"--data {source}:FOLDER")
    if not place.exists():
        raise InputError(f"no such file or folder: {place}")
    parts = _parts(read, place)
    for data in parts.values():
        for file in data.files:
            file.check_size(*picture_size(file.path))
    files = [file for data in parts.values() for file in data.files]
    (height, width), _ = Counter((file.height, file.width) for file in files).most_common(1)[0]
    digest = hashlib.sha256()
    for name, data in parts.items():
        digest.update(f"{name}\0{data.label}\0{len(data)}\0{data.sha256}\0".encode())
    first = next(iter(parts.values()))
    return BoxedPictures(
        name=place.resolve().stem if place.is_file() else place.resolve().name,
        task="detection",
        labels=(first.label,),
        splits={name: _split(data) for name, data in parts.items()},
        sha256=digest.hexdigest(),
        sample_shape=(height, width, 3),
        source=f"{source}: {first.source}",
        seed=seed,
    )


def _parts(read: Reader, place: Path) -> dict[str, BoxDataset]:
    """The splits that lie in folders of their own, or all of it as "test"."""
    folders = {
        split: place / name
        for split, names in SPLIT_FOLDERS.items()
        for name in names
        if (place / name).is_dir()
    }
    if not folders:
        return {"test": _filled(read(place), place)}
    return {split: _filled(read(folder), folder) for split, folder in folders.items()}


def _filled(data: BoxDataset, place: Path) -> BoxDataset:
    if not len(data):
        raise InputError(f"{place}: no pictures are annotated there")
    return data


def _split(data: BoxDataset) -> BoxSplit:
    counts = np.asarray([len(file.boxes) for file in data.files], np.int64)
    pictures = PictureFiles(tuple(file.path for file in data.files), 3)
    return BoxSplit(pictures, counts, data.files)
