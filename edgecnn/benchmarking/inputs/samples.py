"""Real samples for a model that is measured; without data they are `edgecnn.synthetic_inputs`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from edgecnn.benchmarking.loop.input_batches import INPUTS_FILE
from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.feeding.inputs import sample_shape, tensors_for
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent

BATCH = 256
PROGRESS_EVERY = 1000


def write_samples(
    split: Split, preprocessing: Preprocessing, path: Path, progress: Progress = silent
) -> int:
    """Preprocess a whole split into a .npy file (n, …) of its dtype; returns n.

    Written batch by batch, so memory does not grow with the data. Raises InputError for a split
    without samples, and when the disk is full (a mapped file would end the process instead).
    """
    if not len(split):
        raise InputError("the test split is empty")
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(preprocessing.dtype)),
        "fortran_order": False,
        "shape": (len(split), *preprocessing.shape),
    }
    written = 0
    try:
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for tensors, _ in split.tensors(preprocessing, BATCH):
                file.write(np.ascontiguousarray(tensors, preprocessing.dtype).data)
                written += len(tensors)
                if written % PROGRESS_EVERY < BATCH or written == len(split):
                    progress("prepare", written, len(split))
    except OSError as error:
        needed = len(split) * prod(preprocessing.shape) * np.dtype(preprocessing.dtype).itemsize
        raise _not_written(path, error, needed) from error
    return written


def write_tensors(
    split: Split,
    specs: Sequence[TensorSpec],
    folder: Path,
    *,
    batch: int = 1,
    limits: Mapping[str, int | None] | None = None,
    progress: Progress = silent,
) -> int:
    """Write a split whose samples name a model's inputs: an .npy (n, …) for each of `specs`, and
    their names; returns n. `specs` are those of a session for `batch` samples, `limits` the
    numbers of ids by input name.

    Raises InputError for samples that are not what the model takes (see `feeding.inputs`), for a
    split without samples, and when the disk is full.
    """
    count = len(split)
    if not count:
        raise InputError("the test split is empty")
    known_limits = {name: limit for name, limit in (limits or {}).items() if limit is not None}
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        first = tensors_for(
            split.samples[0], specs, where="sample 0", batch=batch, limits=known_limits
        )
        files = [
            np.lib.format.open_memmap(
                folder / f"{place}.npy", "w+", array.dtype, (count, *array.shape)
            )
            for place, array in enumerate(first)
        ]
        written = sum(file.nbytes for file in files)
        for index in range(count):
            where = f"sample {index}"
            sample = tensors_for(
                split.samples[index], specs, where=where, batch=batch, limits=known_limits
            )
            for file, array, spec in zip(files, sample, specs, strict=True):
                if array.shape != file.shape[1:]:
                    raise InputError(
                        f"{where}: input {spec.name!r} holds {array.shape}, sample 0 "
                        f"{file.shape[1:]}",
                        hint=f"the model takes {sample_shape(spec, batch)}: give samples of one "
                        "size",
                    )
                file[index] = array
            if (index + 1) % PROGRESS_EVERY == 0 or index + 1 == count:
                progress("prepare", index + 1, count)
        for file in files:
            file.flush()
        names = [spec.name for spec in specs]
        (folder / INPUTS_FILE).write_text(json.dumps(names), encoding="utf-8")
    except OSError as error:
        raise _not_written(folder, error, written) from error
    return count


def _not_written(path: Path, error: OSError, needed: int) -> InputError:
    return InputError(
        f"cannot write the samples to {path}: {error.strerror}",
        hint=f"set TMPDIR to a folder with {needed / 1e9:.1f} GB free",
    )
