"""Real samples for a model that is measured; without data they are `edgecnn.synthetic_inputs`."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from edgecnn.data.base import Split
from edgecnn.errors import InputError
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
    done = 0
    try:
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for tensors, _ in split.tensors(preprocessing, BATCH):
                file.write(np.ascontiguousarray(tensors, preprocessing.dtype).data)
                done += len(tensors)
                if done % PROGRESS_EVERY < BATCH or done == len(split):
                    progress("prepare", done, len(split))
    except OSError as error:
        gigabytes = len(split) * prod(preprocessing.shape) * np.dtype(preprocessing.dtype).itemsize
        raise InputError(
            f"cannot write the samples to {path}: {error.strerror}",
            hint=f"set TMPDIR to a folder with {gigabytes / 1e9:.1f} GB free",
        ) from error
    return done
