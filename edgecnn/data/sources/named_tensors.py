"""Samples that are what a model takes: an array for each of its inputs, under the input's name.

For models with several inputs, and for samples that somebody prepared already. Nothing is resized,
scaled or normalized on the way to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.base import SPLITS, UNLABELED, Dataset, Labels, Split
from edgecnn.data.content import content_sha256, sample_digest
from edgecnn.data.files.npz import Array, check_finite, map_npy, read_npz, texts
from edgecnn.data.files.places import required_place
from edgecnn.errors import InputError

NamedSample = Mapping[str, Array]
"""One sample: input name → array."""

LABELS = ("labels", "y")
"""Arrays that are taken for right answers where they hold one class a sample."""
CLASS_NAMES = "class_names"
NAMED = 6
"""Arrays that are listed."""
_EXPECTED = (
    "an .npz of arrays (samples, …), one for each input of the model under its name; or a folder "
    "of such .npy files, or of an .npz for each sample"
)
_SPLIT_NAMES = {
    "train": ("train", "training", "calibration"),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """The samples of a file, or of a folder; `labels` (or `y`) among its arrays are right answers,
    `class_names` what they stand for.

    Files or folders called train, validation or test are the splits; anything else is one. `seed`
    is not used: nothing is carved.

    Raises InputError for arrays that are missing, damaged, of different lengths, or that hold NaN
    or infinities.
    """
    place = required_place(data_dir, "npz", _EXPECTED)
    parts = {name: _part(path) for name, path in _split_places(place).items()}
    class_names = _class_names(parts)
    splits = {name: Split(part.samples, part.numbers(class_names)) for name, part in parts.items()}
    hashes = {
        name: (map(sample_digest, split.samples), split.labels) for name, split in splits.items()
    }
    first = next(iter(parts.values()))
    return Dataset(
        name=place.resolve().stem,
        task="classification" if class_names else UNLABELED,
        labels=class_names,
        splits=splits,
        sha256=content_sha256(class_names, hashes),
        sample_shape=(),
        source="npz",
        seed=seed,
        notes=(f"each sample holds {described(first.samples[0])}",),
        modality="tensors",
        labels_are_class_ids=any(part.is_numbered for part in parts.values()),
    )


def described(sample: NamedSample) -> str:
    """As in "image (24, 24, 3), ids (16,) int32"; float32 goes without saying."""
    parts = [
        f"{name} {array.shape}" + ("" if array.dtype == np.float32 else f" {array.dtype}")
        for name, array in sample.items()
    ]
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return ", ".join(parts[:NAMED]) + more


@dataclass(frozen=True)
class Rows(Sequence[Any]):
    """Arrays (n, …) as n samples, each a mapping."""

    arrays: Mapping[str, Array]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Rows({name: array[index] for name, array in self.arrays.items()})
        return {name: np.asarray(array[index]) for name, array in self.arrays.items()}


@dataclass(frozen=True)
class Files(Sequence[Any]):
    """One sample in each .npz, read when it is asked for."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Files(self.paths[index])
        path = self.paths[index]
        sample = read_npz(path)
        for name, array in sample.items():
            check_finite(np.atleast_1d(array), f"{path.name}, {name}")
        return sample


@dataclass(frozen=True)
class _Part:
    """A split as it lies on the disk: `labels` are numbers or words, None where there are none."""

    place: Path
    samples: Sequence[NamedSample]
    labels: Array | None = None
    class_names: tuple[str, ...] = ()

    @property
    def is_numbered(self) -> bool:
        """Whether its labels are numbers that nothing names."""
        return self.labels is not None and self.labels.dtype.kind in "iu" and not self.class_names

    def numbers(self, class_names: Sequence[str]) -> Labels:
        """The class of each sample; 0 for all where nobody says it."""
        if self.labels is None:
            return np.zeros(len(self.samples), np.int64)
        if self.labels.dtype.kind in "SU":
            index = {name: number for number, name in enumerate(class_names)}
            return np.asarray([index[word] for word in texts(self.labels, str(self.place))])
        return self.labels.astype(np.int64)


def _split_places(place: Path) -> dict[str, Path]:
    """Where each split lies; one split where no name says more."""
    if place.is_dir():
        by_name = {
            (path.name if path.is_dir() else path.stem).lower(): path
            for path in sorted(place.iterdir())
            if path.is_dir() or path.suffix == ".npz"
        }
        places = {}
        for split in SPLITS:
            paths = [by_name[name] for name in _SPLIT_NAMES[split] if name in by_name]
            if paths:
                places[split] = paths[0]
        if places:
            return places
    return {"train": place}


def _part(place: Path) -> _Part:
    files: list[Path] = []
    if place.is_dir():
        files = sorted(path for path in place.glob("*.npz") if path.is_file())
        if len(files) > 1:
            return _of_files(place, files)
        arrays = {path.stem: map_npy(path) for path in sorted(place.glob("*.npy"))}
        if files:
            arrays |= read_npz(files[0])
        if not arrays:
            raise InputError(f"{place} holds no .npz and no .npy", hint=f"expected {_EXPECTED}")
    elif place.suffix == ".npy":
        raise InputError(
            f"{place.name} is one array without a name",
            hint="pass the folder: each .npy in it is an input, called as the file is",
        )
    else:
        arrays = read_npz(place)
    return _of_rows(place, arrays)


def _of_rows(place: Path, arrays: dict[str, Array]) -> _Part:
    """A part whose arrays have the samples along their first axis."""
    names = arrays.pop(CLASS_NAMES, None)
    single = [name for name, array in arrays.items() if not array.ndim]
    if single:
        raise InputError(
            f"{place.name}: {single[0]} is a single number, expected one for each sample",
            hint="the first axis of every array counts the samples",
        )
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) != 1:
        sizes = ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing"
        raise InputError(
            f"{place.name}: the arrays hold different numbers of samples: {sizes}",
            hint="the first axis of every array counts the samples",
        )
    if not next(iter(counts.values())):
        raise InputError(f"{place.name} holds no samples")
    labels = _labels(arrays)
    kept = {name: array for name, array in arrays.items() if array.dtype.kind not in "SU"}
    if not kept:
        raise InputError(f"{place.name} holds texts only", hint=f"expected {_EXPECTED}")
    for name, array in kept.items():
        check_finite(array, f"{place.name}, {name}")
    class_names = tuple(texts(names, f"{place.name}, {CLASS_NAMES}")) if names is not None else ()
    return _Part(place, Rows(kept), labels, class_names)


def _of_files(place: Path, files: Sequence[Path]) -> _Part:
    """A part with one sample in each file; all hold the same arrays."""
    samples = Files(tuple(files))
    first = samples[0]
    for path in files[1:]:
        shapes = {name: array.shape for name, array in read_npz(path).items()}
        wanted = {name: array.shape for name, array in first.items()}
        if shapes != wanted:
            raise InputError(
                f"{path.name} holds {_listed(shapes)}, {files[0].name} {_listed(wanted)}",
                hint="every file is one sample, with an array for each input of the model",
            )
    return _Part(place, samples)


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"


def _labels(arrays: Mapping[str, Array]) -> Array | None:
    """The array of right answers: one whole number from 0, or one word, for each sample."""
    for name in LABELS:
        labels = arrays.get(name)
        if labels is None or labels.ndim != 1 or len(arrays) == 1:
            continue
        if labels.dtype.kind in "SU" or (labels.dtype.kind in "iu" and int(labels.min()) >= 0):
            return labels
    return None


def _class_names(parts: Mapping[str, _Part]) -> tuple[str, ...]:
    """What the classes are called, empty where no part has labels."""
    labels = {name: part.labels for name, part in parts.items()}
    label_arrays = [array for array in labels.values() if array is not None]
    if not label_arrays:
        return ()
    if len(label_arrays) < len(parts):
        without = next(name for name, array in labels.items() if array is None)
        raise InputError(
            f"{parts[without].place.name} has no labels, the other splits have",
            hint="give labels to all of them or to none",
        )
    words = [array.dtype.kind in "SU" for array in label_arrays]
    if any(words) and not all(words):
        raise InputError("some splits have labels of words, others of numbers")
    named = next((part.class_names for part in parts.values() if part.class_names), ())
    if all(words):
        distinct = sorted(set(_words(parts)))
        strange = [word for word in distinct if named and word not in named]
        if strange:
            raise InputError(f"label {strange[0]!r} is not in {CLASS_NAMES}")
        return named or tuple(distinct)
    highest = max(int(array.max()) for array in label_arrays)
    total = sum(len(array) for array in label_arrays)
    if named and highest >= len(named):
        raise InputError(f"label {highest}, but {CLASS_NAMES} names {len(named)} classes")
    if not named and highest >= max(total, 1000):
        raise InputError(
            f"label {highest} for {total} samples",
            hint="labels count the classes from 0: 0, 1, 2, …",
        )
    return named or tuple(str(number) for number in range(highest + 1))


def _words(parts: Mapping[str, _Part]) -> Iterator[str]:
    for part in parts.values():
        if part.labels is not None:
            yield from texts(part.labels, str(part.place))
