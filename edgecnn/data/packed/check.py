"""Verify a packed data set byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.data.packed.index import (
    Records,
    Shard,
    check_size,
    read_index,
    read_records,
)
from edgecnn.data.packed.tfrecord import DamagedRecordError, record_at
from edgecnn.errors import InputError
from edgecnn.files import sha256_of
from edgecnn.progress import Progress, silent


def damages(folder: Path, *, progress: Progress = silent) -> tuple[str, ...]:
    """A line for each shard that is missing or not as it was written, with the records that are
    damaged; none when all is well. Reads every byte.

    Raises InputError when the index itself or the places of the records cannot be read.
    """
    index = read_index(folder)
    records = read_records(index, folder)
    damaged: list[str] = []
    start = 0
    for number, shard in enumerate(index.shards, 1):
        try:
            check_size(folder, shard)
        except InputError as error:
            damaged.append(error.message)
        else:
            if sha256_of(folder / shard.file) != shard.sha256:
                damaged.append(_which(folder, shard, records[start : start + shard.samples]))
        start += shard.samples
        progress("check", number, len(index.shards), shard.file)
    return tuple(damaged)


def _which(folder: Path, shard: Shard, records: Records) -> str:
    content = np.memmap(folder / shard.file, np.uint8, "r")
    damaged = []
    for number, offset in enumerate(records[:, 0].tolist()):
        end = int(records[number + 1, 0]) if number + 1 < len(records) else shard.bytes
        try:
            record_at(content[offset:end].tobytes(), 0)
        except DamagedRecordError:
            damaged.append(str(number))
    which = ", ".join(damaged) or "none by its own checksum"
    return f"{folder / shard.file}: the sha256 is another; damaged records: {which}"
