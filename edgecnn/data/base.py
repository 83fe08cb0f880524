"""One Dataset for every source.

Samples stay raw (uint8 pictures as decoded) until a Preprocessing turns them into tensors, so
that the same pixels reach training, calibration, evaluation and the benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing import FloatArray, Preprocessing

Labels = npt.NDArray[np.int64]
SPLITS = ("train", "validation", "test")


class DataWarning(UserWarning):
    """Something in the data was left out; the rest is usable."""


@dataclass(frozen=True)
class Split:
    """Samples and labels of one split.

    `samples` is anything with a length that is indexed by an integer and gives one raw sample:
    an array in memory or a lazy reader of files. `labels` is (n,).
    """

    samples: Sequence[npt.NDArray[Any]] | npt.NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def tensors(
        self, preprocessing: Preprocessing, batch: int, *, limit: int | None = None
    ) -> Iterator[tuple[FloatArray, Labels]]:
        """Preprocessed batches in order: float32 (≤ batch, …) and labels; memory stays flat."""
        count = len(self) if limit is None else min(limit, len(self))
        for start in range(0, count, batch):
            stop = min(start + batch, count)
            pictures = [self.samples[index] for index in range(start, stop)]
            yield preprocessing.batch(pictures), self.labels[start:stop]


@dataclass(frozen=True)
class Dataset:
    """A data set with splits fixed by seed.

    `sha256` identifies the content (samples, labels and split), `sample_shape` is the usual
    shape of a raw sample, `source` says where it is from and under which licence.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    splits: Mapping[str, Split]
    sha256: str
    sample_shape: tuple[int, ...]
    source: str = ""
    seed: int = 0
    preprocessing_hints: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for the preprocessing that suits this source (fit="pad" for MNIST)."""
    skipped: tuple[str, ...] = ()
    """Files that were there but could not be read, each with the reason; also warned of."""

    def __getitem__(self, split: str) -> Split:
        """A split by name. Raises InputError when there is none of that name."""
        if split not in self.splits:
            raise InputError(
                f"data set {self.name!r} has no split {split!r}",
                hint=f"it has: {', '.join(self.splits)}",
            )
        return self.splits[split]

    def preprocessing(self, input_shape: Sequence[int]) -> Preprocessing:
        """The preprocessing from this source's samples to a tensor (height, width, channels)."""
        if len(input_shape) != 3:
            raise InputError(
                f"{self.name} holds pictures and needs an input (height, width, channels), "
                f"received: {tuple(input_shape)}"
            )
        height, width, channels = input_shape
        return Preprocessing(height, width, channels, **self.preprocessing_hints)

    def record(self) -> dict[str, Any]:
        """What manifests and results say about the data."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "seed": self.seed,
            "samples": {name: len(split) for name, split in self.splits.items()},
            "source": self.source,
            "skipped": len(self.skipped),
        }
