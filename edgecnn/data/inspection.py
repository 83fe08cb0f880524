"""What is in a data set, and what is wrong with it: counts, sizes, duplicates, leakage.

Samples are read once and one at a time; what is kept of each is its digest, so that memory
grows by some tens of bytes a sample and not by the sample.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgecnn.data.base import Dataset
from edgecnn.data.content import sample_digest
from edgecnn.errors import InputError
from edgecnn.progress import Progress

PROGRESS_EVERY = 500


@dataclass(frozen=True)
class Place:
    """Where a sample is: the split, its index there, and the name of its class."""

    split: str
    index: int
    label: str

    def __str__(self) -> str:
        return f"{self.split}[{self.index}] ({self.label})"


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set. `duplicates` are groups of samples with equal content."""

    name: str
    modality: str
    sha256: str
    counts: dict[str, dict[str, int]]
    """Samples by split and class."""
    sizes: dict[str, tuple[int, float, int]]
    """Smallest, median and largest along each axis of a sample; words for texts."""
    duplicates: tuple[tuple[Place, ...], ...]
    blank: tuple[Place, ...]
    """Samples that hold one value only, or a text without a word."""
    skipped: tuple[str, ...]
    """What could not be read, each with the reason."""

    @property
    def leakage(self) -> tuple[tuple[Place, ...], ...]:
        """Groups of duplicates that lie in more than one split: the test is no test of them."""
        return tuple(group for group in self.duplicates if len({at.split for at in group}) > 1)

    @property
    def conflicts(self) -> tuple[tuple[Place, ...], ...]:
        """Groups of duplicates whose labels differ."""
        return tuple(group for group in self.duplicates if len({at.label for at in group}) > 1)

    @property
    def faulty(self) -> bool:
        """Whether there is leakage, a conflict of labels, or something that cannot be read."""
        return bool(self.leakage or self.conflicts or self.skipped)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the groups that leak or conflict beside all duplicates."""
        groups = {"leakage": self.leakage, "conflicts": self.conflicts}
        return asdict(self) | {
            key: [[asdict(at) for at in group] for group in found] for key, found in groups.items()
        }


def inspect(dataset: Dataset, *, progress: Progress | None = None) -> Inspection:
    """Look at every sample of a classification data set.

    Raises InputError for another task, whose samples have no single label.
    """
    if dataset.task != "classification":
        raise InputError(
            f"{dataset.name} is a data set for {dataset.task}",
            hint="only data sets for classification can be inspected",
        )
    total = sum(len(split) for split in dataset.splits.values())
    places: defaultdict[bytes, list[Place]] = defaultdict(list)
    shapes: Counter[tuple[int, ...]] = Counter()
    blank = []
    done = 0
    for name, split in dataset.splits.items():
        for index in range(len(split)):
            sample = split.samples[index]
            at = Place(name, index, dataset.labels[int(split.labels[index])])
            places[sample_digest(sample)].append(at)
            shapes[_shape(sample)] += 1
            if _is_blank(sample):
                blank.append(at)
            done += 1
            if progress and (done % PROGRESS_EVERY == 0 or done == total):
                progress("inspect", done, total)
    return Inspection(
        name=dataset.name,
        modality=dataset.modality,
        sha256=dataset.sha256,
        counts={
            name: {
                label: int(np.count_nonzero(split.labels == number))
                for number, label in enumerate(dataset.labels)
            }
            for name, split in dataset.splits.items()
        },
        sizes=_sizes(dataset.modality, shapes),
        duplicates=tuple(tuple(group) for group in places.values() if len(group) > 1),
        blank=tuple(blank),
        skipped=dataset.skipped,
    )


def _shape(sample: Any) -> tuple[int, ...]:
    return (len(sample.split()),) if isinstance(sample, str) else tuple(np.shape(sample))


def _is_blank(sample: Any) -> bool:
    if isinstance(sample, str):
        return not sample.strip()
    values = np.asarray(sample)
    return values.size == 0 or bool((values == values.flat[0]).all())


def _sizes(modality: str, shapes: Counter[tuple[int, ...]]) -> dict[str, tuple[int, float, int]]:
    axes = {
        "image": ("height", "width", "channels"),
        "text": ("words",),
        "signal": ("length", "channels"),
        "volume": ("depth", "height", "width", "channels"),
    }[modality]
    sizes = {}
    for number, axis in enumerate(axes):
        along = Counter[int]()
        for shape, count in shapes.items():
            if number < len(shape):
                along[shape[number]] += count
        if along:
            sizes[axis] = (min(along), _median(along), max(along))
    return sizes


def _median(counts: Counter[int]) -> float:
    total = sum(counts.values())
    wanted = (math.ceil(total / 2), total // 2 + 1)
    middle = []
    for rank in wanted:
        passed = 0
        for value in sorted(counts):
            passed += counts[value]
            if passed >= rank:
                middle.append(value)
                break
    return sum(middle) / 2
