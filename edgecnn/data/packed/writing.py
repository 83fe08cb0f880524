"""Any classification data set → a folder of shards that `packed:FOLDER` and TensorFlow read.

Samples pass one at a time, so that memory grows by 16 bytes a sample (place and label) and not
by the sample. The folder gets its name when it is complete: a pack that ends early leaves nothing
(one that is killed leaves a hidden `.NAME.PID.unfinished`, which the next pack removes), and the
next one starts over.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgecnn.data.base import Dataset, refuse_prepared_data
from edgecnn.data.packed.index import (
    INDEX,
    RECORDS,
    Index,
    Shard,
    index_of,
    write_index,
)
from edgecnn.data.packed.samples import features_of, stays_encoded
from edgecnn.data.packed.tf_example import encode_example
from edgecnn.data.packed.tfrecord import ENDING, framed
from edgecnn.errors import InputError
from edgecnn.files import refuse_overwrite, sha256_of
from edgecnn.progress import Progress, silent

SHARD_BYTES = 256_000_000
PROGRESS_EVERY = 500


def pack(
    dataset: Dataset,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    force: bool = False,
    progress: Progress = silent,
) -> Index:
    """Write `dataset` to the folder `out`, in shards of at most `shard_bytes` (a larger sample
    has a shard of its own). `force` replaces a packed data set, and nothing else.

    Raises InputError for data of another task, for an `out` that is in use, and for what cannot
    be read or written.
    """
    if dataset.task != "classification":
        raise InputError(
            f"{dataset.name} is a data set for {dataset.task}",
            hint="only data sets for classification can be packed",
        )
    refuse_prepared_data(dataset, "data pack")
    with _new_folder(out, force=force) as folder:
        records = array("q")
        shards: list[Shard] = []
        total = sum(len(split) for split in dataset.splits.values())
        done = 0
        for name, split in dataset.splits.items():
            with _ShardWriter(folder, name, shard_bytes) as writer:
                for index in range(len(split)):
                    record = framed(encode_example(features_of(split, index)))
                    records.extend((writer.write(record), int(split.labels[index])))
                    done += 1
                    if done % PROGRESS_EVERY == 0 or done == total:
                        progress("pack", done, total)
            shards += writer.shards
        np.save(folder / RECORDS, np.frombuffer(records, np.int64).reshape(-1, 2))
        index_of_all = index_of(
            dataset,
            tuple(shards),
            encoded=any(stays_encoded(split) for split in dataset.splits.values()),
            records_sha256=sha256_of(folder / RECORDS),
        )
        write_index(index_of_all, folder)
    return index_of_all


class _ShardWriter:
    """Writes the records of one split; begins another file when one is full."""

    def __init__(self, folder: Path, split: str, shard_bytes: int) -> None:
        self._folder = folder
        self._split = split
        self._shard_bytes = shard_bytes
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._samples = self._bytes = 0
        self.shards: list[Shard] = []

    def __enter__(self) -> _ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, record: bytes) -> int:
        """Append a record; returns where it begins in its shard (bytes)."""
        if self._bytes and self._bytes + len(record) > self._shard_bytes:
            self._close()
        if self._file is None:
            self._file = (self._folder / self._name()).open("wb")
        offset = self._bytes
        self._file.write(record)
        self._digest.update(record)
        self._samples += 1
        self._bytes += len(record)
        return offset

    def _name(self) -> str:
        return f"{self._split}-{len(self.shards):05}{ENDING}"

    def _close(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self.shards.append(
            Shard(self._name(), self._split, self._samples, self._bytes, self._digest.hexdigest())
        )
        self._file = None
        self._digest = hashlib.sha256()
        self._samples = self._bytes = 0


@contextmanager
def _new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Yield a hidden folder next to `out` that becomes `out` on success and is removed otherwise.

    Raises InputError when it cannot be written, or `out` may not be replaced.
    """
    out = out.resolve()
    _refuse_what_is_in_use(out, force=force)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.unfinished")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_remains(out)
        temporary.mkdir()
        yield temporary
        _move(temporary, out)
    except OSError as error:
        raise InputError(
            f"cannot write {out}: {error.strerror or error}",
            hint="free some space or choose another --out; what was there before is untouched",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_what_is_in_use(out: Path, *, force: bool) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    refuse_overwrite(out, force=force)
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    others = sorted(
        name for name in names if name not in (INDEX, RECORDS) and not name.endswith(ENDING)
    )
    if others or INDEX not in names:
        raise InputError(
            f"{out} is not a packed data set" + (f": it holds {others[0]}" if others else ""),
            hint="--force replaces only what `edgecnn data pack` wrote; choose another --out",
        )


def _remove_remains(out: Path) -> None:
    """What packs to the same place left behind whose process was killed."""
    import psutil

    for path in out.parent.glob(f".{glob.escape(out.name)}.*.unfinished"):
        process = path.suffixes[-2].lstrip(".")
        if process.isdecimal() and (
            int(process) == os.getpid() or not psutil.pid_exists(int(process))
        ):
            shutil.rmtree(path)


def _move(new: Path, out: Path) -> None:
    """Give the new folder its name; a set that was there goes only when the new one is in place."""
    if not out.exists():
        new.rename(out)
        return
    old = out.with_name(f".{out.name}.{os.getpid()}.replaced")
    out.rename(old)
    try:
        new.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)
