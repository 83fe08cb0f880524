"""Inspect a data set: counts, sizes, duplicates, leakage.

Samples are read once and one at a time; what is kept of each is its place, its digest and, of an
image, a thumbnail, so that memory grows by about 1 KB per image and 0.4 KB of anything else
and not by the sample.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edgecnn.data.base import UNLABELED, Dataset, Split
from edgecnn.data.content import sample_digest
from edgecnn.data.inspection.box_facts import box_facts, doubtful_boxes, sides_by_class
from edgecnn.data.inspection.near_duplicates import LookAlikes
from edgecnn.data.inspection.sample_facts import Facts, collector_for
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset
from edgecnn.data.sources.pairs import PairSplit
from edgecnn.errors import InputError
from edgecnn.modalities import AXES
from edgecnn.progress import Progress

PROGRESS_EVERY = 500
_PAIR = "pair"
_INCOMPLETE = "incomplete"
"""Of an image: an annotation of it was left out."""
_UNLABELED = "without a label"
"""What a sentence with its translation is counted as; several translations are not a conflict."""


@dataclass(frozen=True, slots=True)
class SampleLocation:
    """Where a sample is: the split, its index there, and its class, its boxes, or "pair"."""

    split: str
    index: int
    label: str
    file: str = ""
    """The file's name, where a sample has one."""

    def __str__(self) -> str:
        return f"{self.split}[{self.index}] {self.file} ({self.label})".replace("  ", " ")


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set. `duplicates` are groups of samples with equal content,
    `near_duplicates` groups of similar images that are not all equal.
    """

    name: str
    modality: str
    sha256: str
    counts: dict[str, dict[str, int]]
    """Samples by split and class; of boxed images, those with a box, those without an object, and
    those of which neither is known.
    """
    sizes: dict[str, tuple[int, float, int]]
    """Smallest, median and largest along each axis of a sample; words for texts."""
    duplicates: tuple[tuple[SampleLocation, ...], ...]
    blank: tuple[SampleLocation, ...]
    """Samples that hold one value only, or a text without a word."""
    skipped: tuple[str, ...]
    """What could not be read, each with the reason."""
    near_duplicates: tuple[tuple[SampleLocation, ...], ...] = ()
    doubtful: tuple[str, ...] = ()
    """Annotations that are likely to be mistakes."""
    facts: Facts = field(default_factory=dict)
    """What else there is to say of samples of this kind."""

    @property
    def leakage(self) -> tuple[tuple[SampleLocation, ...], ...]:
        """Groups of duplicates that lie in more than one split: the test is no test of them."""
        return tuple(group for group in self.duplicates if len({at.split for at in group}) > 1)

    @property
    def near_leakage(self) -> tuple[tuple[SampleLocation, ...], ...]:
        """Groups of near duplicates that lie in more than one split: the test may be too easy."""
        return tuple(group for group in self.near_duplicates if len({at.split for at in group}) > 1)

    @property
    def conflicts(self) -> tuple[tuple[SampleLocation, ...], ...]:
        """Groups of duplicates whose labels differ."""
        return tuple(group for group in self.duplicates if len({at.label for at in group}) > 1)

    @property
    def faulty(self) -> bool:
        """Whether there is leakage, a conflict of labels, or something that cannot be read.

        Near leakage alone is not a fault: two people's 1s are as similar as two copies of one.
        """
        return bool(self.leakage or self.conflicts or self.skipped)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, with the groups that leak or conflict besides all duplicates."""
        groups = {
            "leakage": self.leakage,
            "near_leakage": self.near_leakage,
            "conflicts": self.conflicts,
        }
        return asdict(self) | {
            key: [[asdict(at) for at in group] for group in places]
            for key, places in groups.items()
        }


def inspect(dataset: Dataset, *, progress: Progress | None = None) -> Inspection:
    """Look at every sample of a data set; one that cannot be read is in `skipped`."""
    places: list[SampleLocation] = []
    by_digest: defaultdict[bytes, list[int]] = defaultdict(list)
    shapes: Counter[tuple[int, ...]] = Counter()
    blank = []
    skipped = [str(entry) for entry in dataset.left_out]
    collector = collector_for(dataset)
    look_alikes = LookAlikes()
    for at, sample in _samples(dataset, skipped, progress):
        by_digest[sample_digest(sample)].append(len(places))
        shapes[_shape(sample)] += 1
        if _is_blank(sample):
            blank.append(at)
        if dataset.modality == "image":
            look_alikes.add(len(places), np.asarray(sample))
        collector.add(at.split, sample)
        places.append(at)
    equal = [group for group in by_digest.values() if len(group) > 1]
    alike = _not_all_equal(look_alikes.groups(), equal)
    files = [
        file
        for split in dataset.splits.values()
        if isinstance(split, BoxSplit)
        for file in split.files
    ]
    return Inspection(
        name=dataset.name,
        modality=dataset.modality,
        sha256=dataset.sha256,
        counts=_counts(dataset),
        sizes=_sizes(dataset.modality, shapes),
        duplicates=tuple(tuple(places[index] for index in group) for group in equal),
        blank=tuple(blank),
        skipped=tuple(skipped),
        near_duplicates=tuple(tuple(places[index] for index in group) for group in alike),
        doubtful=doubtful_boxes(files),
        facts=collector.facts() | (box_facts(files) if files else {}) | _boxes_by_class(dataset),
    )


def _samples(
    dataset: Dataset, skipped: list[str], progress: Progress | None
) -> Iterator[tuple[SampleLocation, Any]]:
    """Each sample with its place; for one that cannot be read a line in `skipped`."""
    total = sum(len(split) for split in dataset.splits.values())
    done = 0
    for name, split in dataset.splits.items():
        labels = _labels(dataset, split)
        paths = getattr(split.samples, "paths", None)
        for index, label in enumerate(labels):
            file = paths[index].name if paths else ""
            try:
                yield SampleLocation(name, index, label, file), split.samples[index]
            except InputError as error:
                skipped.append(error.message)
            done += 1
            if progress and (done % PROGRESS_EVERY == 0 or done == total):
                progress("inspect", done, total)


def _labels(dataset: Dataset, split: Split) -> list[str]:
    """A word for each sample: its class, how many boxes it has, or that it is a pair."""
    if isinstance(split, PairSplit):
        return [_PAIR] * len(split)
    if dataset.task == UNLABELED:
        return [_UNLABELED] * len(split)
    if not isinstance(split, BoxSplit):
        return [dataset.labels[int(n)] for n in split.labels]
    labels = [_boxes(int(n)) for n in split.labels]
    for index, file in enumerate(split.files):
        if file.incomplete:
            labels[index] += f", {_INCOMPLETE}"
    return labels


def _boxes_by_class(dataset: Dataset) -> Facts:
    if not isinstance(dataset, DetectionDataset):
        return {}
    total: Counter[str] = Counter()
    for counts in dataset.counts.values():
        total.update(counts)
    files = [
        file
        for split in dataset.splits.values()
        if isinstance(split, BoxSplit)
        for file in split.every_class
    ]
    return {"boxes by class": dict(total), **sides_by_class(files, dataset.class_names)}


def _boxes(count: int) -> str:
    return "1 box" if count == 1 else f"{count} boxes"


def _not_all_equal(alike: list[list[int]], equal: list[list[int]]) -> list[list[int]]:
    """Of the groups of look-alikes those that hold more than one content."""
    content = {index: group[0] for group in equal for index in group}
    return [group for group in alike if len({content.get(index, index) for index in group}) > 1]


def _counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    counts = {}
    for name, split in dataset.splits.items():
        if isinstance(split, BoxSplit):
            with_box = int(np.count_nonzero(split.labels))
            label = " or ".join(dataset.labels) if 0 < len(dataset.labels) <= 3 else "a box"
            others = _without_a_box(split)
            without = len(split) - with_box - sum(others.values())
            counts[name] = {f"with {label}": with_box, "without": without, **others}
        elif isinstance(split, PairSplit):
            counts[name] = {_PAIR: len(split)}
        elif dataset.task == UNLABELED:
            counts[name] = {_UNLABELED: len(split)}
        else:
            counts[name] = {
                label: int(np.count_nonzero(split.labels == number))
                for number, label in enumerate(dataset.labels)
            }
    return counts


def _without_a_box(split: BoxSplit) -> dict[str, int]:
    """Images that have no box and are not known to hold no object."""
    unknown = [file for file in split.files if not len(file.boxes) and not file.without_objects]
    incomplete = sum(file.incomplete for file in unknown)
    counts = {"ignored boxes alone": len(unknown) - incomplete, _INCOMPLETE: incomplete}
    return {label: count for label, count in counts.items() if count}


def _shape(sample: Any) -> tuple[int, ...]:
    if isinstance(sample, Mapping):
        return ()
    return (len(sample.split()),) if isinstance(sample, str) else tuple(np.shape(sample))


def _is_blank(sample: Any) -> bool:
    if isinstance(sample, str):
        return not sample.strip()
    if isinstance(sample, Mapping):
        return all(map(_is_blank, sample.values()))
    values = np.asarray(sample)
    return values.size == 0 or bool((values == values.flat[0]).all())


def _sizes(modality: str, shapes: Counter[tuple[int, ...]]) -> dict[str, tuple[int, float, int]]:
    axes = ("words",) if modality == "text" else AXES[modality]
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
