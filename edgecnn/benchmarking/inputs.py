"""Real samples for a model that is measured; without data they are `edgecnn.synthetic_inputs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.preprocessing import Preprocessing


def write_samples(split: Split, preprocessing: Preprocessing, path: Path) -> int:
    """Preprocess a whole split into a .npy file (n, …) of its dtype; returns n.

    Written batch by batch, so memory does not grow with the data.
    """
    written: np.memmap[Any, Any] | None = None
    done = 0
    for tensors, _ in split.tensors(preprocessing, 256):
        if written is None:
            shape = (len(split), *tensors.shape[1:])
            written = np.lib.format.open_memmap(path, "w+", preprocessing.dtype, shape)
        written[done : done + len(tensors)] = tensors
        done += len(tensors)
    if written is None:
        raise InputError("the test split is empty")
    written.flush()
    return done
