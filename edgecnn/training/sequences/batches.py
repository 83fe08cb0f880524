"""Batches of sentences of similar length: what is filled up is computed for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing.subwords import END, PADDING, START

if TYPE_CHECKING:
    import keras

Ids = npt.NDArray[np.int32]
MULTIPLE = 4
"""Lengths are rounded up to it: fewer shapes, each of which a backend has to plan for."""


@dataclass(frozen=True)
class Sentences:
    """Ids of sources and of their targets, without start and end."""

    sources: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.sources)

    def within(self, length: int) -> Sentences:
        """Those that fit, their end counted in."""
        kept = [
            index
            for index in range(len(self))
            if max(len(self.sources[index]), len(self.targets[index])) < length
        ]
        return Sentences(
            [self.sources[index] for index in kept], [self.targets[index] for index in kept]
        )

    def cut(self, length: int) -> Sentences:
        """All, with what does not fit cut off."""
        return Sentences(
            [ids[: length - 1] for ids in self.sources], [ids[: length - 1] for ids in self.targets]
        )

    def batch(self, indices: Sequence[int]) -> tuple[tuple[Ids, Ids], Ids]:
        """((sources, targets that begin with the start), targets that end with the end).

        Each (batch, length) int32, filled up with 0: what is to be answered at a position is the
        next id.
        """
        sources = filled([[*self.sources[index], END] for index in indices])
        begun = filled([[START, *self.targets[index]] for index in indices])
        wanted = filled([[*self.targets[index], END] for index in indices])
        return (sources, begun), wanted

    def sorted_batches(self, size: int, order: Sequence[int]) -> list[list[int]]:
        """Indices in batches of similar length; among equals in the given order."""
        lengths = [
            (-(-len(self.targets[index]) // MULTIPLE), -(-len(self.sources[index]) // MULTIPLE))
            for index in order
        ]
        ranked = [order[place] for place in sorted(range(len(order)), key=lengths.__getitem__)]
        return [list(ranked[start : start + size]) for start in range(0, len(ranked), size)]


def filled(rows: Sequence[Sequence[int]]) -> Ids:
    """Ids (rows, the longest rounded up to 4), filled up with 0."""
    longest = max(map(len, rows), default=1)
    ids = np.full((len(rows), -(-longest // MULTIPLE) * MULTIPLE), PADDING, np.int32)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids


def bucketed_batches(
    sentences: Sentences,
    size: int,
    *,
    seed: int,
    devices: int = 1,
    epoch: int = 0,
    first: int = 0,
    augment: Callable[[Ids, np.random.Generator], Ids] | None = None,
) -> keras.utils.PyDataset:
    """Batches of `size` sentences of similar length, in random order: a function of (seed, epoch,
    batch). They begin at batch `first` of `epoch`; `augment` changes the sources.
    """
    import keras

    class BucketedBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        ragged = True

        def __init__(self) -> None:
            super().__init__()
            self._epoch, self._first = epoch, first
            self._batches = self._shuffled()

        def __len__(self) -> int:
            return len(self._batches) - self._first

        def __getitem__(self, index: int) -> Any:
            number = index + self._first
            (sources, begun), wanted = sentences.batch(self._batches[number])
            if augment is not None:
                sources = augment(sources, np.random.default_rng((seed, self._epoch, number)))
            return (sources, begun), wanted

        def next_epoch(self) -> None:
            self._epoch += 1
            self._batches = self._shuffled()

        def _shuffled(self) -> list[list[int]]:
            rng = np.random.default_rng((seed, self._epoch))
            order = rng.permutation(len(sentences))[: len(sentences) // devices * devices]
            batches = sentences.sorted_batches(size, order.tolist())
            return [batches[index] for index in rng.permutation(len(batches))]

    return BucketedBatches()


def ordered_batches(sentences: Sentences, size: int, *, devices: int = 1) -> keras.utils.PyDataset:
    """Batches of similar length, always the same: for validation."""
    import keras

    count = len(sentences) // devices * devices
    batches = sentences.sorted_batches(size, list(range(count)))

    class OrderedBatches(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        ragged = True

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return sentences.batch(batches[index])

    return OrderedBatches()
