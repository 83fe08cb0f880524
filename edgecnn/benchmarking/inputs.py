"""What goes into a model while it is measured: real samples where there are any, never zeros."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import Preprocessing

SYNTHETIC_SEED = 20_260_101
UNKNOWN_VOCABULARY = 100
"""Ids for a foreign model that does not say how many words it knows."""


def synthetic_samples(
    spec: TensorSpec, count: int, vocabulary_size: int | None = None
) -> npt.NDArray[Any]:
    """Seeded real-valued samples (count, …), channels last, for a model without data.

    The same shape gives the same values, whatever the runtime, the layout or the file format.
    Floats are uniform in [0, 1); tensors that store integers without a scale get small whole
    numbers (word ids), below `vocabulary_size` where that is known. Raises InputError for open
    dimensions other than the batch.
    """
    shape = channels_last(spec)[1:]
    open_axes = [axis for axis, size in enumerate(shape, start=1) if size is None]
    if open_axes:
        raise InputError(
            f"input {spec.name!r} leaves dimensions {open_axes} open: {spec.shape}",
            hint="export the model with a fixed input shape",
        )
    sizes = [int(size) for size in shape if size is not None]
    rng = np.random.default_rng([SYNTHETIC_SEED, zlib.crc32(repr(sizes).encode())])
    if np.issubdtype(np.dtype(spec.dtype), np.floating) or spec.scale:
        return rng.random((count, *sizes), dtype=np.float32)
    if np.dtype(spec.dtype) == np.bool_:
        return rng.integers(0, 2, (count, *sizes)).astype(np.bool_)
    return rng.integers(0, vocabulary_size or UNKNOWN_VOCABULARY, (count, *sizes))


def channels_last(spec: TensorSpec) -> tuple[int | None, ...]:
    """The shape of a sample batch as edgecnn holds it: channels last."""
    if spec.layout in ("NCHW", "NCL", "NCDHW"):
        return (spec.shape[0], *spec.shape[2:], spec.shape[1])
    return spec.shape


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
