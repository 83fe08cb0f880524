"""The index of a packed data set: what `index.json` and `records.npy` next to the shards say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset
from edgecnn.data.files.npz import map_npy
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError
from edgecnn.files import NotAFileError, read_json_file, sha256_of, write_text_atomically
from edgecnn.modalities import Modality
from edgecnn.records import FieldError, read_record

SCHEMA_VERSION = 1
MAX_INDEX_BYTES = 256 << 20
"""What was left out of a million files is listed in it."""
INDEX = "index.json"
RECORDS = "records.npy"
PACK_AGAIN = "it is incomplete or damaged: pack the data again"

Records = npt.NDArray[np.int64]
"""(n, 2): for each sample, in the order of the shards, where its record begins in its shard
(bytes), and its label."""


@dataclass(frozen=True)
class Shard:
    """One file of records, all of one split. Shards of a split follow one another."""

    file: str
    split: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """All of a packed data set but its samples; the fields of Dataset mean what they mean there."""

    name: str
    task: str
    modality: Modality
    labels: tuple[str, ...]
    splits: Mapping[str, int]
    """Samples by split, in the data set's order of splits."""
    sample_shape: tuple[int, ...]
    preprocessing_hints: Mapping[str, Any]
    source: str
    seed: int
    sha256: str
    """Of the data set, as it was before it was packed."""
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    encoded: bool
    """Whether samples are image files as they were."""
    shards: tuple[Shard, ...]
    records_sha256: str
    """Of the file `records.npy`."""


def index_of(
    dataset: Dataset, shards: tuple[Shard, ...], *, encoded: bool, records_sha256: str
) -> Index:
    """The index of `dataset` packed into `shards`."""
    return Index(
        name=dataset.name,
        task=dataset.task,
        modality=dataset.modality,
        labels=dataset.labels,
        splits={name: len(split) for name, split in dataset.splits.items()},
        sample_shape=dataset.sample_shape,
        preprocessing_hints=dict(dataset.preprocessing_hints),
        source=dataset.source,
        seed=dataset.seed,
        sha256=dataset.sha256,
        left_out=dataset.left_out,
        notes=dataset.notes,
        encoded=encoded,
        shards=shards,
        records_sha256=records_sha256,
    )


def write_index(index: Index, folder: Path) -> None:
    """Write `index.json`: the last file of a set."""
    values = {"schema_version": SCHEMA_VERSION, **asdict(index)}
    write_text_atomically(folder / INDEX, json.dumps(values, indent=1, ensure_ascii=False))


def read_index(folder: Path) -> Index:
    """Read `index.json`. Raises InputError when it is missing, damaged, or of another schema."""
    path = folder / INDEX
    if not path.is_file():
        raise InputError(
            f"{folder} holds no packed data: there is no {INDEX}",
            hint="`edgecnn data pack DATA --out FOLDER` makes such a folder",
        )
    try:
        values = read_json_file(path, limit=MAX_INDEX_BYTES)
        version = values.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{path}: schema {version!r} is not readable here (this is {SCHEMA_VERSION})",
                hint="pack the data again with this edgecnn, or update edgecnn",
            )
        entries = values.pop("left_out", None) or values.pop("skipped", ())
        values.pop("skipped", None)
        unknown = set(values) - set(Index.__dataclass_fields__)
        if unknown:
            raise ValueError(f"{sorted(unknown)[0]!r} is not a key of an index")
        index = read_record(Index, {**values, "left_out": ()})
        index = replace(
            index,
            left_out=tuple(LeftOut.from_dict(entry) for entry in entries),
            preprocessing_hints=_as_tuples(index.preprocessing_hints),
        )
        _check_shards(index)
    except NotAFileError:
        raise
    except FieldError as error:
        raise InputError(f"{path}: {error.message}", hint=PACK_AGAIN) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not an index of packed data: {error}", hint=PACK_AGAIN
        ) from error
    return index


def read_records(index: Index, folder: Path) -> Records:
    """Places and labels of all records, mapped. Raises InputError unless they are as written."""
    path = folder / RECORDS
    records = map_npy(path)
    expected = (sum(index.splits.values()), 2)
    if records.shape != expected or records.dtype != np.int64:
        raise InputError(
            f"{path}: expected int64 {expected}, received: {records.dtype} {records.shape}",
            hint=PACK_AGAIN,
        )
    if sha256_of(path) != index.records_sha256:
        raise InputError(f"{path} is not the one that {INDEX} names", hint=PACK_AGAIN)
    return records


def check_size(folder: Path, shard: Shard) -> None:
    """Raise InputError when a shard is missing or not as long as the index says."""
    path = folder / shard.file
    if not path.is_file():
        raise InputError(f"{path} is missing", hint=PACK_AGAIN)
    received = path.stat().st_size
    if received != shard.bytes:
        raise InputError(
            f"{path}: expected {shard.bytes} bytes, received: {received}", hint=PACK_AGAIN
        )


def _check_shards(index: Index) -> None:
    if min((*index.splits.values(), *index.sample_shape, 0)) < 0:
        raise ValueError("a count is negative")
    for shard in index.shards:
        if min(shard.samples, shard.bytes) < 0:
            raise ValueError(f"{shard.file!r} has a negative count")
        if Path(shard.file).name != shard.file:
            raise ValueError(f"{shard.file!r} lies outside the folder")
    order = list(dict.fromkeys(shard.split for shard in index.shards))
    held = dict.fromkeys(index.splits, 0)
    for shard in index.shards:
        held[shard.split] += shard.samples
    if held != dict(index.splits) or order != [name for name in index.splits if held[name]]:
        raise ValueError(f"the shards hold {held}, expected {dict(index.splits)}")


def _as_tuples(value: Any) -> Any:
    """JSON knows no tuples; frozen data hold nothing else."""
    if isinstance(value, list):
        return tuple(_as_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return value
