"""The test split of a data set in one file, `sent:FILE`: what another machine measures accuracy on.

A zip: `index.json` says all that the data set is, `labels/SPLIT.npy` are the labels of every split.
`samples/N.npy`, `samples/N-K.npy` for each named input, or `texts.json` are the samples of the one
split that is measured. Images are decoded before they are sent: every machine gets the same pixels
and needs no image library. The other splits have their counts and labels, so that the set is what
it was; their samples stay at home.
"""

from __future__ import annotations

import json
import operator
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from edgecnn.data.assemble import Subset
from edgecnn.data.base import Dataset, Split
from edgecnn.data.boxes.base import BoxedFile, Boxes
from edgecnn.data.files.array_archive import NUMBERS, add, packed, read_array, unpacked
from edgecnn.data.files.places import required_place
from edgecnn.data.left_out import LeftOut
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset
from edgecnn.data.sources.pairs import Pairs, PairSplit
from edgecnn.errors import InputError
from edgecnn.files import atomic_path, check_regular_file, parse_json
from edgecnn.progress import Progress, silent
from edgecnn.records import FieldError, read_field, read_record

SCHEMA_VERSION = 1
MAX_UNPACKED_BYTES = 8 << 30
MAX_INDEX_BYTES = 256 << 20
PROGRESS_EVERY = 500
_AT_HOME = ("splits", "parts")
_INDEX, _TEXTS = "index.json", "texts.json"
_KINDS: Mapping[str, type[Dataset]] = {
    "classes": Dataset,
    "boxes": DetectionDataset,
    "pairs": Pairs,
}
_SEND_AGAIN = "the file is damaged: remove it and send the data again"
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, SyntaxError,
    RecursionError, NotImplementedError, RuntimeError, AttributeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class _Boxes:
    """The boxes of one image, as lists."""

    name: str
    height: int
    width: int
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    ignored: tuple[tuple[float, float, float, float], ...] = ()
    class_ids: tuple[int, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    incomplete: bool = False


@dataclass(frozen=True)
class _GroundTruth:
    """The right answers of the split that is sent, besides its labels."""

    files: tuple[_Boxes, ...] = ()
    every_class: tuple[_Boxes, ...] = ()
    undecided: str = ""
    targets: tuple[str, ...] = ()


def write(dataset: Dataset, path: Path, *, progress: Progress = silent) -> None:
    """Write the split of `dataset` that is measured, and the counts of all, to `path`.

    Raises InputError for a kind of data set that cannot be sent, and for one that is too large.
    """
    kind = next(
        (name for name, dataset_class in _KINDS.items() if type(dataset) is dataset_class), None
    )
    if kind is None:
        raise InputError(
            f"data of this kind cannot be sent: {dataset.name}",
            hint="measure there without --data, or with data that lie there",
        )
    split = dataset["test"]
    name = next(key for key, value in dataset.splits.items() if value is split)
    texts = dataset.modality == "text"
    inputs = sorted(split.samples[0]) if dataset.has_named_inputs and len(split) else []
    index = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "dataset": _facts(dataset),
        "splits": list(dataset.splits),
        "split": name,
        "samples": len(split),
        "texts": texts,
        "inputs": inputs,
        "truth": asdict(_ground_truth(split)),
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        add(archive, _INDEX, json.dumps(index).encode())  # names of files need not be UTF-8
        for key, part in dataset.splits.items():
            add(archive, f"labels/{key}.npy", packed(part.labels.astype("<i8")))
        if texts:
            add(archive, _TEXTS, json.dumps(list(split.samples), ensure_ascii=False).encode())
            return
        size = 0
        for number in range(len(split)):
            parts = _parts(split.samples[number], inputs)
            size += sum(part.nbytes for part in parts)
            for part in parts:
                if part.dtype.kind not in NUMBERS:
                    raise InputError(f"samples of {part.dtype} cannot be sent")
            if size > MAX_UNPACKED_BYTES:
                raise InputError(
                    f"the test split of {dataset.name} takes more than "
                    f"{MAX_UNPACKED_BYTES >> 30} GiB",
                    hint="measure on a part of it: --data with fewer samples",
                )
            for name, part in zip(_members(number, inputs), parts, strict=True):
                add(archive, name, packed(part))
            if number % PROGRESS_EVERY == 0:
                progress("pack", number, len(split))
    progress("pack", len(split), len(split))


def _parts(sample: Any, inputs: Sequence[str]) -> list[Any]:
    """The arrays of a sample. Raises InputError for one that names other inputs than the first."""
    if not inputs:
        return [np.asarray(sample)]
    if sorted(sample) != list(inputs):
        raise InputError("the samples name different inputs and cannot be sent")
    return [np.asarray(sample[name]) for name in inputs]


def _facts(dataset: Dataset) -> dict[str, Any]:
    """All fields but those that stay at home."""
    values = {
        field.name: getattr(dataset, field.name)
        for field in fields(dataset)
        if field.init and field.name not in _AT_HOME
    }
    values["left_out"] = [entry.to_dict() for entry in dataset.left_out]
    return values


def _ground_truth(split: Split) -> _GroundTruth:
    if isinstance(split, BoxSplit):
        files, every = (tuple(map(_as_lists, of)) for of in (split.files, split.every_class))
        return _GroundTruth(files, every, split.undecided)
    return _GroundTruth(targets=split.targets) if isinstance(split, PairSplit) else _GroundTruth()


def _as_lists(file: BoxedFile) -> _Boxes:
    return _Boxes(
        file.path.name,
        file.height,
        file.width,
        _corners(file.boxes),
        _corners(file.ignored),
        tuple(file.class_ids.tolist()),
        tuple(file.ignored_ids.tolist()),
        file.incomplete,
    )


def _corners(boxes: Boxes) -> tuple[tuple[float, float, float, float], ...]:
    return tuple((left, top, right, bottom) for left, top, right, bottom in boxes.tolist())


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """The data set as it was where it was written: name, classes, counts, hash. `seed` is not used,
    for the splits are those of that machine.

    Raises InputError for a file that is damaged or something else.
    """
    del seed
    path = required_place(data_dir, "sent", "a file that another machine sent")
    check_regular_file(path)
    try:
        return _read(path)
    except FieldError as error:
        raise InputError(f"{path}: {error.message}", hint=_SEND_AGAIN) from error
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(
            f"{path} is not a data set that was sent: {error}", hint=_SEND_AGAIN
        ) from error


def _read(path: Path) -> Dataset:
    archive = zipfile.ZipFile(path)
    _check_sizes(archive, path)
    index = parse_json(unpacked(archive, _INDEX, MAX_INDEX_BYTES).decode(), str(path))
    version = read_field(int, index["schema_version"], "schema_version")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema {version} is not readable here (this is {SCHEMA_VERSION})",
            hint="send the data again with this edgecnn",
        )
    kind = _KINDS[read_field(str, index["kind"], "kind")]
    facts = read_field(Mapping[str, Any], index["dataset"], "dataset")
    left_out = tuple(LeftOut.from_dict(entry) for entry in facts.get("left_out", ()))
    plain = {**facts, "splits": {}, "left_out": ()}
    dataset = _dataset(kind, plain)
    ground_truth = read_record(_GroundTruth, index["truth"], "truth")
    names = read_field(tuple[str, ...], index["splits"], "splits")
    sent = read_field(str, index["split"], "split")
    count = read_field(int, index["samples"], "samples")
    if sent not in names:
        raise InputError(f"{path}: it has no split {sent[:40]!r}", hint=_SEND_AGAIN)
    splits: dict[str, Split] = {}
    for name in names:
        labels = read_array(archive, f"labels/{name}.npy")
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise InputError(
                f"{path}: the labels of {name[:40]!r} are not whole numbers", hint=_SEND_AGAIN
            )
        own = name == sent
        if own and len(labels) != count:
            raise InputError(f"{path}: {count} samples, {len(labels)} labels", hint=_SEND_AGAIN)
        samples: Sequence[Any] = Absent(len(labels), name)
        if own:
            inputs = read_field(tuple[str, ...], index.get("inputs", ()), "inputs")
            texts = index["texts"] is True
            samples = _samples(archive, path, count, texts=texts, inputs=inputs)
        splits[name] = _split(
            kind, samples, labels.astype(np.int64), ground_truth if own else _GroundTruth()
        )
    return replace(dataset, splits=splits, left_out=left_out)


def _dataset(kind: type[Dataset], values: Mapping[str, Any]) -> Dataset:
    """A data set without splits. Its fields are checked by their types, and mappings kept."""
    field_names = {field.name for field in fields(kind) if field.init} - {"splits", "left_out"}
    checked = {name: values[name] for name in field_names & values.keys()}
    hints = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in read_field(
            Mapping[str, Any], checked.pop("preprocessing_hints", {}), "preprocessing_hints"
        ).items()
    }
    reader = _fields_of(kind)
    read = {name: reader[name](value) for name, value in checked.items() if name in reader}
    return kind(**read, splits={}, preprocessing_hints=hints)


def _fields_of(kind: type[Dataset]) -> Mapping[str, Callable[[Any], Any]]:
    import typing

    hints = typing.get_type_hints(kind)

    def reader(name: str) -> Callable[[Any], Any]:
        return lambda value: read_field(hints[name], value, f"dataset.{name}")

    left_out = {"splits", "left_out", "preprocessing_hints"}
    return {field.name: reader(field.name) for field in fields(kind) if field.name not in left_out}


def _split(
    kind: type[Dataset], samples: Sequence[Any], labels: Any, ground_truth: _GroundTruth
) -> Split:
    if kind is DetectionDataset:
        files, every = (
            tuple(map(_as_file, of)) for of in (ground_truth.files, ground_truth.every_class)
        )
        return BoxSplit(samples, labels, files, undecided=ground_truth.undecided, every_class=every)
    if kind is Pairs:
        return PairSplit(samples, labels, ground_truth.targets)
    return Split(samples, labels)


def _as_file(boxes: _Boxes) -> BoxedFile:
    def array(values: Sequence[Sequence[float]]) -> Any:
        return np.asarray(values, np.float32).reshape(-1, 4)

    return BoxedFile(
        Path(boxes.name),
        boxes.height,
        boxes.width,
        array(boxes.boxes),
        array(boxes.ignored),
        np.asarray(boxes.class_ids, np.int64),
        np.asarray(boxes.ignored_ids, np.int64),
        boxes.incomplete,
    )


class Absent(Sequence[Any]):
    """Samples that stayed where they were."""

    def __init__(self, count: int, split: str) -> None:
        self._count = count
        self._split = split

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        raise InputError(
            f"the samples of the split {self._split!r} were not sent",
            hint="only the split that is measured travels",
        )


class SentSamples(Sequence[Any]):
    """Samples that lie in the archive: indexing reads one, nothing is kept."""

    def __init__(
        self, archive: zipfile.ZipFile, path: Path, count: int, inputs: tuple[str, ...]
    ) -> None:
        self._archive = archive
        self._inputs = inputs
        self._path = path
        self._count = count
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """Raises InputError for a damaged sample."""
        if isinstance(index, slice):
            return Subset(self, np.arange(self._count)[index])
        position = operator.index(index)
        position += self._count if position < 0 else 0
        if not 0 <= position < self._count:
            raise IndexError(f"sample {index} of {self._count}")
        try:
            with self._lock:
                parts = [
                    read_array(self._archive, name) for name in _members(position, self._inputs)
                ]
        except _UNREADABLE as error:
            raise InputError(
                f"{self._path}, sample {position}: damaged ({error})", hint=_SEND_AGAIN
            ) from error
        return dict(zip(self._inputs, parts, strict=True)) if self._inputs else parts[0]


def _samples(
    archive: zipfile.ZipFile, path: Path, count: int, *, texts: bool, inputs: tuple[str, ...]
) -> Sequence[Any]:
    if not texts:
        members = set(archive.namelist())
        if not all(members.issuperset(_members(number, inputs)) for number in range(count)):
            raise InputError(f"{path}: samples are missing", hint=_SEND_AGAIN)
        return SentSamples(archive, path, count, inputs)
    words = parse_json(unpacked(archive, _TEXTS, MAX_INDEX_BYTES).decode(), str(path))
    texts_read: tuple[str, ...] = read_field(tuple[str, ...], words, "texts")
    if len(texts_read) != count:
        raise InputError(f"{path}: {len(texts_read)} texts, expected {count}", hint=_SEND_AGAIN)
    return texts_read


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise InputError for an archive that unpacks to more than anybody sends."""
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_UNPACKED_BYTES + MAX_INDEX_BYTES:
        raise InputError(f"{path} unpacks to {size / 1e9:.1f} GB", hint=_SEND_AGAIN)


def _members(number: int, inputs: Sequence[str]) -> list[str]:
    """The names of a sample's arrays."""
    if not inputs:
        return [f"samples/{number:07}.npy"]
    return [f"samples/{number:07}-{place}.npy" for place in range(len(inputs))]
