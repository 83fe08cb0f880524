"""Annotated images as a data set: `coco:PLACE`, `voc:PLACE`, `yolo:PLACE`.

PLACE is a folder, or the file that describes the set (COCO's JSON, YOLO's YAML); several, with
commas between them, are one set. Its splits are those that its tool wrote; all of it is the split
"test" when there are none. Without `classes`, training learns every class, a detector that names
its classes is scored on those that the set has, and any other looks for stop signs or the only
class there is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.class_names import listed as listed_names
from edgecnn.class_names import place_of, same_name
from edgecnn.data.base import SPLITS, Answers, Dataset, Split
from edgecnn.data.boxes.base import BoxDataset, BoxedFile
from edgecnn.data.boxes.coco import coco_files, read_coco
from edgecnn.data.boxes.reading import (
    ChosenClasses,
    Fitted,
    ReadAnnotations,
    choose_together,
    every_class,
    fit,
    with_choice,
)
from edgecnn.data.boxes.voc import read_voc, voc_files
from edgecnn.data.boxes.yolo import read_yolo, yolo_files
from edgecnn.data.files.images import ImageFiles
from edgecnn.data.left_out import LeftOut, described
from edgecnn.errors import InputError
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.progress import Progress
from edgecnn.registry import require

Parts = Mapping[str, ReadAnnotations]


@dataclass(frozen=True)
class BoxSplit(Split):
    """Images with boxes; `labels` (n,) counts the boxes of each."""

    files: tuple[BoxedFile, ...] = ()
    """With the boxes of the classes that are looked for, taken as one class."""
    undecided: str = ""
    """The classes of a set of which none was chosen: there is no one right answer then."""
    every_class: tuple[BoxedFile, ...] = ()
    """With all boxes; a class's id is its place in `DetectionDataset.class_names`."""

    @property
    def ground_truth(self) -> Sequence[BoxedFile]:
        """Raises InputError when no class was chosen."""
        if self.undecided:
            raise InputError(
                f"several classes, and none of them a stop sign: {self.undecided}",
                hint="choose what the detector finds: --classes NAME (or its number)",
            )
        return self.files


@dataclass(frozen=True)
class DetectionDataset(Dataset):
    """A data set whose answers are boxes: its images are letterboxed, never squeezed.

    `labels` are the chosen classes, or all when none is; `counts` are the boxes of each class,
    whether chosen or not, by split as the files have them (before a part of one is held out).
    """

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    """All classes of the set."""
    asked: bool = False
    """Whether somebody chose the classes; otherwise a detector of many is asked for all of them."""
    parts: tuple[DetectionDataset, ...] = ()
    """The sets that this one was joined from."""

    def answers(self, split: str, class_names: Sequence[str] = ()) -> Answers:
        """For a detector of one class, or of classes without names, the chosen ones are one; where
        nobody chose, the class that it names is. For another its own classes: those that were
        chosen, or all that both sides have.

        Raises InputError for a chosen class that the model does not have, and where the two have
        none in common. A name that is a number stands for any class.
        """
        chosen = self[split]
        assert isinstance(chosen, BoxSplit)
        wanted = self.labels if self.asked else self.class_names
        if len(class_names) == 1:
            place = place_of(class_names[0], wanted)
            if place is None and not _are_numbers(class_names) and not _are_numbers(self.labels):
                raise _nothing_in_common(wanted, class_names)
            same = () if place is None else _written_as(wanted[place], wanted)
            if same and not self.asked and self.labels != same:
                numbers = {self.class_names.index(name): 0 for name in same}
                named = tuple(file.renumbered(numbers) for file in chosen.every_class)
                return Answers(named, same)
        if len(class_names) < 2:
            return Answers(chosen.ground_truth, self.labels)
        places = {name: place_of(name, class_names) for name in wanted}
        missing = [name for name, place in places.items() if place is None]
        if self.asked and missing:
            raise InputError(
                f"the model has no class {missing[0]!r}",
                hint=f"it has: {listed_names(class_names)}",
            )
        numbers = {
            self.class_names.index(name): place
            for name, place in places.items()
            if place is not None
        }
        files = tuple(file.renumbered(numbers) for file in chosen.every_class)
        class_ids = sorted({int(number) for file in files for number in file.class_ids})
        if not class_ids:
            raise _nothing_in_common(wanted, class_names)
        ids = tuple(sorted(set(numbers.values()))) if self.asked else tuple(class_ids)
        return Answers(files, tuple(class_names[number] for number in ids), ids)

    def preprocessing(self, input_shape: Sequence[int]) -> LetterboxPreprocessing:
        if len(input_shape) != 3 or input_shape[2] != 3:
            raise InputError(
                f"{self.name} holds color images and needs an input (height, width, 3), "
                f"received: {tuple(input_shape)}"
            )
        height, width, channels = (int(size) for size in input_shape)
        return LetterboxPreprocessing(height, width, channels)

    def record(self) -> dict[str, Any]:
        """With each set by itself, where several are one."""
        sets = [
            {"name": part.name, "sha256": part.sha256, "source": part.source}
            | {"samples": {name: len(split) for name, split in part.splits.items()}}
            for part in self.parts
        ]
        return super().record() | ({"sets": sets} if sets else {})

    def summary(self) -> str:
        parts = []
        for name, split in self.splits.items():
            boxes = int(split.labels.sum())
            parts.append(f"{name} {len(split)} with {boxes} box{'' if boxes == 1 else 'es'}")
        total: Counter[str] = Counter()
        for of_split in self.counts.values():
            total.update(of_split)
        named = ", ".join(f"{label} ({total[label]})" for label in self.labels[:10])
        line = [", ".join(parts), f"class{'es' if len(self.labels) > 1 else ''} {named or 'none'}"]
        others = [
            f"{label} ({count})"
            for label, count in total.items()
            if count and label not in self.labels
        ]
        if others:
            more = ", …" if len(others) > 5 else ""
            line.append(f"not chosen: {', '.join(others[:5])}{more}")
        line += self.notes
        if self.left_out:
            line.append(described(self.left_out))
        return "; ".join(line)


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether classes have no names, as of a YOLO set without a list of them."""
    return bool(names) and all(name.isdecimal() for name in names)


def _written_as(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """All of `names` that are this one, however they are written."""
    return tuple(other for other in names if same_name(other) == same_name(name))


def _nothing_in_common(wanted: Sequence[str], class_names: Sequence[str]) -> InputError:
    return InputError(
        f"no box is of a class that the model has; the data set has {listed_names(wanted)}",
        hint=f"the model has: {listed_names(class_names)}",
    )


def _coco(place: Path) -> Parts:
    return {split: read_coco(path) for split, path in coco_files(place).items()}


def _voc(place: Path) -> Parts:
    files, images, left_out = voc_files(place)
    readings = {split: read_voc(paths, images) for split, paths in files.items()}
    next(iter(readings.values())).left_out.extend(left_out)
    return readings


def _yolo(place: Path) -> Parts:
    files, description, left_out = yolo_files(place)
    root = place if place.is_dir() else place.parent
    readings = {split: read_yolo(root, images, description) for split, images in files.items()}
    next(iter(readings.values())).left_out.extend(left_out)
    return readings


def _source(source: str, read: Callable[[Path], Parts]) -> Callable[..., Dataset]:
    """What loads the sets of one annotation format; `read` raises InputError for files that are
    not in it.
    """

    def load(
        *,
        data_dir: Path | None = None,
        seed: int = 0,
        classes: str = "",
        exif: str = "",
        progress: Progress | None = None,
    ) -> Dataset:
        from edgecnn.data.sources.joined import joined

        places = _places(source, data_dir)
        found = [_read_one(place, read, exif=exif, progress=progress) for place in places]
        wanted = [part.strip() for part in classes.split(",") if part.strip()]
        choices = choose_together(
            [list(one.fitted.values()) for one in found],
            wanted,
            where=", ".join(map(str, places)),
        )
        return joined(
            [
                _dataset(source, one, choice, seed=seed, asked=bool(wanted))
                for one, choice in zip(found, choices, strict=True)
            ]
        )

    return load


coco = _source("coco", _coco)
"""COCO's JSON."""
voc = _source("voc", _voc)
"""Pascal VOC's XML files."""
yolo = _source("yolo", _yolo)
"""YOLO's text files."""


def _places(source: str, place: Path | None) -> list[Path]:
    """The places of a set, or of several with commas between them."""
    require("PIL.Image", "train")
    if place is None:
        raise InputError(f"{source} data need a path", hint=f"--data {source}:FOLDER")
    if place.exists():
        return [place]
    places = [Path(part.strip()) for part in str(place).split(",") if part.strip()]
    for one in places:
        if not one.exists():
            raise InputError(f"no such file or folder: {one}")
    twice = [one for one, count in Counter(one.resolve() for one in places).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0].name} is named twice", hint="name each set once")
    return places


@dataclass(frozen=True)
class _Found:
    """One set as it was read: its splits, and which of them are left out."""

    name: str
    fitted: Mapping[str, Fitted]
    lost: tuple[LeftOut, ...]


def _read_one(
    place: Path, read: Callable[[Path], Parts], *, exif: str, progress: Progress | None
) -> _Found:
    try:
        readings = read(place)
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    name = place.resolve().stem if place.is_file() else place.resolve().name
    ordered = {split: readings[split] for split in (*SPLITS, "") if split in readings}
    fitted, lost = _fitted(ordered, place, exif, progress)
    return _Found(name, fitted, tuple(lost))


def _dataset(
    source: str, found: _Found, choice: ChosenClasses, *, seed: int, asked: bool
) -> DetectionDataset:
    name, fitted = found.name, found.fitted
    parts = {
        split: with_choice(part, choice, name=name, source=name) for split, part in fitted.items()
    }
    every = {split: every_class(part, choice.names) for split, part in fitted.items()}
    files = [file for data in parts.values() for file in data.files]
    (height, width), _ = Counter((file.height, file.width) for file in files).most_common(1)[0]
    notes = list(dict.fromkeys(note for part in fitted.values() for note in part.notes))
    if "test" not in parts:
        notes.append(f"{_measured(parts)} is measured: there is no test split")
    if choice.chosen is None:
        notes.append(
            "no class is chosen (--classes NAME): only detectors that name their classes are scored"
        )
    return DetectionDataset(
        name=name,
        task="detection",
        labels=choice.labels,
        splits={split: _split(data, choice, every[split]) for split, data in parts.items()},
        class_names=choice.names,
        asked=asked,
        sha256=_digest(parts, every, choice.names, asked=asked),
        sample_shape=(height, width, 3),
        source=f"{source}: {name}",
        seed=seed,
        left_out=(*found.lost, *(entry for part in fitted.values() for entry in part.left_out)),
        notes=tuple(notes),
        counts={split: data.counts for split, data in parts.items()},
    )


def _fitted(
    readings: Parts, place: Path, exif: str, progress: Progress | None
) -> tuple[dict[str, Fitted], list[LeftOut]]:
    """Every split fitted; one that cannot be used (whose images were not downloaded, say) is
    left out as a whole, as long as another can.

    Raises InputError when none can.
    """
    fitted: dict[str, Fitted] = {}
    lost: list[LeftOut] = []
    first: InputError | None = None
    for split, reading in readings.items():
        try:
            fitted[split or "test"] = fit(reading, place=place, exif=exif, progress=progress)
        except InputError as error:
            first = first or error
            reason = error.message.removeprefix(f"{place}: ")
            lost.append(LeftOut(f"all of {split}", reason))
    if first is not None and not fitted:
        raise first
    return fitted, lost


def _digest(
    parts: Mapping[str, BoxDataset],
    every: Mapping[str, Sequence[BoxedFile]],
    class_names: Sequence[str],
    *,
    asked: bool,
) -> str:
    """Of images, splits and boxes; of several classes also which box is of which, and whether
    somebody chose, since a detector is trained on all of them otherwise.
    """
    digest = hashlib.sha256()
    for split, data in parts.items():
        digest.update(f"{split}\0{data.label}\0{len(data)}\0{data.sha256}\0".encode())
    if len(class_names) < 2:
        return digest.hexdigest()
    digest.update("\0".join((*class_names, f"asked {asked}")).encode())
    for files in every.values():
        for file in files:
            for boxes in (file.boxes, file.ignored):
                digest.update(f"\0{len(boxes)}\0".encode())
                digest.update(np.ascontiguousarray(boxes, "<f4").tobytes())
            for ids in (file.class_ids, file.ignored_ids):
                digest.update(np.ascontiguousarray(ids, "<i8").tobytes())
    return digest.hexdigest()


def _measured(parts: Mapping[str, BoxDataset]) -> str:
    return "validation" if "validation" in parts else next(iter(parts))


def split_of_files(
    files: tuple[BoxedFile, ...], every_class: tuple[BoxedFile, ...], undecided: str = ""
) -> BoxSplit:
    """The split that these files are, with the boxes that are looked for and with all boxes."""
    counts = np.asarray([len(file.boxes) for file in files], np.int64)
    images = ImageFiles(tuple(file.path for file in files), 3)
    return BoxSplit(images, counts, files, undecided=undecided, every_class=every_class)


def _split(data: BoxDataset, choice: ChosenClasses, every: tuple[BoxedFile, ...]) -> BoxSplit:
    return split_of_files(data.files, every, choice.listed if choice.chosen is None else "")
