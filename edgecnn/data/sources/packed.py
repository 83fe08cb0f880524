"""A packed data set, `packed:FOLDER`: what `edgecnn data pack` made of any other source.

Shards are mapped into memory and read at random; a sample is decoded when it is asked for.
Neither TensorFlow nor protobuf is needed.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from edgecnn.data.assemble import Subset, check_labels
from edgecnn.data.base import Dataset, Split
from edgecnn.data.files.places import required_place
from edgecnn.data.packed.index import (
    PACK_AGAIN,
    Index,
    Records,
    Shard,
    check_size,
    read_index,
    read_records,
)
from edgecnn.data.packed.samples import sample_of
from edgecnn.data.packed.tf_example import decode_example
from edgecnn.data.packed.tfrecord import DamagedRecordError, record_at
from edgecnn.errors import InputError
from edgecnn.files import open_regular_file
from edgecnn.registry import require

OPEN_SHARDS = 64
"""So many shards are mapped at a time: each takes a file descriptor, of which 1024 are usual."""


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """The data set as it was when it was packed: name, classes, splits, hash. `seed` is not used,
    for the splits are those of the packing.

    Raises InputError when a file is missing or not as long as it was. Damage inside a shard is
    found when the record is read, or by `check`.
    """
    del seed
    require("google_crc32c", "train")
    folder = required_place(data_dir, "packed", "a folder that `edgecnn data pack` made")
    index = read_index(folder)
    if index.encoded:
        require("PIL.Image", "train")
    for shard in index.shards:
        check_size(folder, shard)
    records = read_records(index, folder)
    splits, start = {}, 0
    for name, count in index.splits.items():
        own = records[start : start + count]
        shards = tuple(shard for shard in index.shards if shard.split == name)
        samples = PackedSamples(folder, shards, own, texts=index.modality == "text")
        splits[name] = Split(samples, np.array(own[:, 1]))
        if count:
            check_labels(splits[name], index.labels, f"{folder} ({name})")
        start += count
    return _dataset(index, splits)


class PackedSamples(Sequence[Any]):
    """Samples of a Split that lie in shards: indexing reads and decodes, nothing is kept."""

    def __init__(
        self, folder: Path, shards: Sequence[Shard], records: Records, *, texts: bool
    ) -> None:
        self._folder = folder
        self._texts = texts
        self._shards = shards
        self._records = records
        self._ends = np.cumsum([shard.samples for shard in shards])
        self._mapped: OrderedDict[int, mmap] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        """Raises InputError, naming shard and record, for a damaged one."""
        if isinstance(index, slice):
            return Subset(self, np.arange(len(self))[index])
        position = operator.index(index)
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, position, side="right"))
        try:
            content = record_at(self._content(number), int(self._records[position, 0]))
            sample = sample_of(decode_example(content))
            if isinstance(sample, str) != self._texts:
                raise DamagedRecordError("it holds a sample of another kind than the set")
            return sample
        except DamagedRecordError as error:
            shard = self._shards[number]
            inside = position - (int(self._ends[number]) - shard.samples)
            raise InputError(
                f"{self._folder / shard.file}, record {inside}: {error.message}",
                hint="`edgecnn data check` finds all that is damaged; then pack the data again",
            ) from error

    def _content(self, number: int) -> mmap:
        """The bytes of a shard; the one unused for longest is closed when too many are open."""
        with self._lock:
            mapped = self._mapped.pop(number, None)
            if mapped is None:
                mapped = _map(self._folder / self._shards[number].file)
            self._mapped[number] = mapped
            if len(self._mapped) > OPEN_SHARDS:
                self._mapped.popitem(last=False)
        return mapped


def _map(path: Path) -> mmap:
    try:
        with open_regular_file(path) as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}", hint=PACK_AGAIN) from error


def _dataset(index: Index, splits: dict[str, Split]) -> Dataset:
    return Dataset(
        name=index.name,
        task=index.task,
        labels=index.labels,
        splits=splits,
        sha256=index.sha256,
        sample_shape=index.sample_shape,
        source=index.source,
        seed=index.seed,
        preprocessing_hints=index.preprocessing_hints,
        left_out=index.left_out,
        notes=index.notes,
        modality=index.modality,
    )
