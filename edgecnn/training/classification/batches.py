"""Preprocessed training batches: from memory while they fit, else decoded as they are needed."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Labels, Split
from edgecnn.errors import InputError
from edgecnn.preprocessing import Preprocessing, Tensor
from edgecnn.training.augmentation import Augmentation

if TYPE_CHECKING:
    import keras

MAX_CACHED_BYTES = 512 << 20
"""MNIST's training tensors take 225 MB."""
_READ_AT_ONCE = 256
_THREADS = min(8, os.cpu_count() or 1)
_WORTH_THREADS = 1e-3
"""Seconds that reading a sample takes from which on threads help: what decodes faster (on two
cores, PNG below 128×128, JPEG below 256×256) mostly waits for Python's lock, and two threads
take up to twice as long as one.
"""
_TRIALS = 2
"""Reads that show how long a sample takes: the first may pay for imports."""


class Tensors:
    """Preprocessed samples of a split, by index; kept in memory when they fit.

    Raises InputError, when it reads them, for samples with NaN or infinite numbers.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, *, max_bytes: int = MAX_CACHED_BYTES
    ) -> None:
        self._split = split
        self._preprocessing = preprocessing
        shape = (len(split), *preprocessing.shape)
        self._reads, self._fastest = 0, math.inf
        self._threads = ThreadPoolExecutor(_THREADS, "decode")
        self.cached = 4 * math.prod(shape) <= max_bytes
        if self.cached:
            self._cache = np.empty(shape, preprocessing.dtype)
            for start in range(0, len(split), _READ_AT_ONCE):
                indices = np.arange(start, min(start + _READ_AT_ONCE, len(split)))
                self._cache[indices] = self._read(indices)

    def __len__(self) -> int:
        return len(self._split)

    def take(self, indices: Labels) -> tuple[Tensor, Labels]:
        """Tensors (n, …) as the preprocessing makes them, and labels (n,)."""
        tensors = self._cache[indices] if self.cached else self._read(indices)
        return tensors, self._split.labels[indices]

    def _read(self, indices: Labels) -> Tensor:
        measured = self._reads >= _TRIALS and self._fastest >= _WORTH_THREADS
        if not measured or len(indices) < _THREADS:
            began = time.perf_counter()
            tensors = self._read_part(indices)
            each = (time.perf_counter() - began) / max(1, len(indices))
            self._reads, self._fastest = self._reads + 1, min(self._fastest, each)
            return tensors
        parts = np.array_split(indices, _THREADS)
        return np.concatenate(list(self._threads.map(self._read_part, parts)))

    def _read_part(self, indices: Labels) -> Tensor:
        samples = (self._split.samples[int(index)] for index in indices)
        tensors = self._preprocessing.batch(samples)
        if tensors.dtype.kind == "f":
            whole = np.isfinite(tensors).reshape(len(tensors), -1).all(axis=1)
            if not whole.all():
                raise InputError(
                    f"sample {indices[whole.argmin()]} holds NaN or an infinite number",
                    hint="repair it or leave it out",
                )
        return tensors


def training_batches(
    tensors: Tensors,
    batch_size: int,
    *,
    seed: int,
    augment: Augmentation | None = None,
    class_weights: npt.NDArray[np.float32] | None = None,
    heads: int = 1,
    devices: int = 1,
    epoch: int = 0,
    first: int = 0,
) -> keras.utils.PyDataset:
    """Shuffled, augmented batches; a function of (seed, epoch, batch) and nothing else.

    They begin at batch `first` of `epoch`; `next_epoch` moves to the next. Each is
    (tensors, labels) or, with `class_weights` (classes,), (tensors, labels, weights); labels
    and weights come `heads` times as a tuple for a network with several outputs. An epoch leaves
    out the samples that do not divide by the number of `devices`, others in each. `error` holds
    what reading a batch raised, which Keras wraps beyond recognition.
    """
    import keras

    class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None

        def __init__(self) -> None:
            super().__init__()
            self._epoch = epoch
            self._first = first
            self._order = self._shuffled()

        def __len__(self) -> int:
            return math.ceil(len(self._order) / batch_size) - self._first

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            batch = index + self._first
            chosen = self._order[batch * batch_size : (batch + 1) * batch_size]
            try:
                samples, labels = tensors.take(chosen)
            except InputError as error:
                self.error = error
                raise
            if augment is not None:
                samples = augment(samples, np.random.default_rng((seed, self._epoch, batch)))
            if class_weights is None:
                return samples, _repeated(labels, heads)
            return samples, _repeated(labels, heads), _repeated(class_weights[labels], heads)

        def next_epoch(self) -> None:
            self._epoch += 1
            self._order = self._shuffled()

        def _shuffled(self) -> Labels:
            order = np.random.default_rng((seed, self._epoch)).permutation(len(tensors))
            return order[: len(order) // devices * devices]

    return TrainingBatches()


def plain_batches(
    tensors: Tensors, batch_size: int, *, heads: int = 1, devices: int = 1
) -> keras.utils.PyDataset:
    """Batches in order, as they are: for validation. A rest that does not divide is left out."""
    import keras

    count = len(tensors) // devices * devices

    class PlainBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None

        def __len__(self) -> int:
            return math.ceil(count / batch_size)

        def __getitem__(self, batch: int) -> tuple[Any, ...]:
            start = batch * batch_size
            try:
                samples, labels = tensors.take(np.arange(start, min(start + batch_size, count)))
            except InputError as error:
                self.error = error
                raise
            return samples, _repeated(labels, heads)

    return PlainBatches()


def _repeated(values: npt.NDArray[Any], heads: int) -> Any:
    return values if heads == 1 else (values,) * heads
