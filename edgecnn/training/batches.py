"""Preprocessed training batches: from memory while they fit, else decoded as they are needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.data.base import Labels, Split
from edgecnn.preprocessing import FloatArray, Preprocessing
from edgecnn.training.augmentation import random_shift

if TYPE_CHECKING:
    import keras

MAX_CACHED_BYTES = 512 << 20
"""MNIST's training tensors take 225 MB."""


class Tensors:
    """Preprocessed samples of a split, by index; kept in memory when they fit."""

    def __init__(
        self, split: Split, preprocessing: Preprocessing, *, max_bytes: int = MAX_CACHED_BYTES
    ) -> None:
        self._split = split
        self._preprocessing = preprocessing
        size = 4 * len(split) * math.prod(preprocessing.shape)
        self._cache = self._read(np.arange(len(split))) if size <= max_bytes else None

    def __len__(self) -> int:
        return len(self._split)

    def take(self, indices: Labels) -> tuple[FloatArray, Labels]:
        """float32 (n, height, width, channels) and labels (n,)."""
        tensors = self._read(indices) if self._cache is None else self._cache[indices]
        return tensors, self._split.labels[indices]

    def _read(self, indices: Labels) -> FloatArray:
        return self._preprocessing.batch(self._split.samples[int(index)] for index in indices)


def training_batches(
    tensors: Tensors, batch_size: int, *, seed: int, shift: int
) -> keras.utils.PyDataset:
    """Shuffled, shifted batches; a function of (seed, epoch, batch) and nothing else."""
    import keras

    class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        def __init__(self) -> None:
            super().__init__()
            self._epoch = 0
            self._order = self._shuffled()

        def __len__(self) -> int:
            return math.ceil(len(tensors) / batch_size)

        def __getitem__(self, batch: int) -> tuple[FloatArray, Labels]:
            chosen = self._order[batch * batch_size : (batch + 1) * batch_size]
            pictures, labels = tensors.take(chosen)
            if shift:
                rng = np.random.default_rng((seed, self._epoch, batch))
                pictures = random_shift(pictures, shift, rng)
            return pictures, labels

        def on_epoch_end(self) -> None:
            self._epoch += 1
            self._order = self._shuffled()

        def _shuffled(self) -> Labels:
            return np.random.default_rng((seed, self._epoch)).permutation(len(tensors))

    return TrainingBatches()


def plain_batches(tensors: Tensors, batch_size: int) -> keras.utils.PyDataset:
    """Batches in order, as they are: for validation and test."""
    import keras

    class PlainBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        def __len__(self) -> int:
            return math.ceil(len(tensors) / batch_size)

        def __getitem__(self, batch: int) -> tuple[FloatArray, Labels]:
            start = batch * batch_size
            return tensors.take(np.arange(start, min(start + batch_size, len(tensors))))

    return PlainBatches()
