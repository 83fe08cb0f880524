"""Hold out validation and test splits from annotated sets that have none.

Neighbors in a recording are nearly the same image, so blocks of neighbors are held out. Which
ones follows from the order and number of the files alone: whoever has the set and the model that
was trained on it finds the same ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edgecnn.data.base import Dataset, Split
from edgecnn.data.left_out import DataWarning
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset, split_of_files
from edgecnn.data.sources.joined import joined
from edgecnn.data.splitting.calibration_holdout import subset
from edgecnn.data.splitting.training_overlap import digests_of
from edgecnn.errors import InputError
from edgecnn.manifest import Manifest

EVERY = 5
"""Of so many blocks one is held out."""
OFFSETS = (2, 3, 4, 0, 1)
LARGEST_BLOCK = 40


def complete_splits(dataset: DetectionDataset) -> DetectionDataset:
    """With splits "train", "validation" and "test": what is missing is held out of the rest.

    Without a test, validation is both, and the notes say so. Of several sets that are one, each
    is divided for itself. Raises InputError for a set that has other splits and none to train on.
    """
    if dataset.parts:
        return joined([complete_splits(part) for part in dataset.parts])
    splits: dict[str, Split] = dict(dataset.splits)
    notes = list(dataset.notes)
    if "train" not in splits:
        if set(splits) != {"test"}:
            raise InputError(
                f"{dataset.name} has no split to train on, only {', '.join(splits)}",
                hint="call one of its splits train, or give all of it in one piece",
            )
        splits["train"] = splits.pop("test")
        notes.append("the set has no splits: it is trained on")
    if "validation" not in splits:
        whole = splits["train"]
        assert isinstance(whole, BoxSplit)
        block = max(1, min(LARGEST_BLOCK, len(whole) // EVERY))
        held = _held(whole, block)
        splits["validation"] = _part(whole, held)
        splits["train"] = _part(whole, sorted(set(range(len(whole))) - set(held)))
        notes.append(f"every {EVERY}th block of {block} is held out for validation")
    if "test" not in splits:
        splits["test"] = splits["validation"]
        notes.append("no test split: test figures are those of the validation split")
    order = ("train", "validation", "test")
    return replace(dataset, splits={name: splits[name] for name in order}, notes=tuple(notes))


def restore_training_splits(dataset: Dataset, manifests: Iterable[Manifest]) -> Dataset:
    """A set without a test, or in one piece, that one of these models was trained on, divided as
    it was then: what was held out is its test. So are the parts of several sets. Any other set
    is as it was.
    """
    if not isinstance(dataset, DetectionDataset):
        return dataset
    if "test" in dataset.splits and len(dataset.splits) > 1 and not dataset.parts:
        return dataset
    for manifest in manifests:
        samples = manifest.data.get("samples")
        if manifest.data.get("sha256") != dataset.sha256 or not isinstance(samples, dict):
            continue
        divided = complete_splits(dataset)
        if samples == {name: len(split) for name, split in divided.splits.items()}:
            return divided
    return dataset


def exclude_evaluation_images(
    more: DetectionDataset, dataset: DetectionDataset
) -> DetectionDataset:
    """`more` without the images that `dataset` is validated and tested on: training on them would
    flatter its figures. Warns of them, and raises InputError where nothing is left.
    """
    divided = complete_splits(dataset).splits
    evaluated = [digests_of(divided[name]) for name in ("validation", "test")]
    held = np.unique(np.concatenate(evaluated))
    splits: dict[str, Split] = {}
    for name, split in more.splits.items():
        apart = np.flatnonzero(~np.isin(digests_of(split), held))
        splits[name] = split if len(apart) == len(split) else subset(split, apart)
    lost = sum(len(more.splits[name]) - len(split) for name, split in splits.items())
    if not lost:
        return more
    of = f"{lost} of {sum(map(len, more.splits.values()))} images of {more.name} are validation or"
    if not any(map(len, splits.values())):
        raise InputError(f"{of} test images of {dataset.name}", hint="use other images")
    warnings.warn(
        f"{of} test images of {dataset.name}, and are left out", DataWarning, stacklevel=3
    )
    return replace(more, splits={name: split for name, split in splits.items() if len(split)})


def _held(split: BoxSplit, block: int) -> list[int]:
    """Every `EVERY`th block: the third, or the first behind it that leaves boxes on both sides,
    since in many sets the images without a box come last.
    """
    has_boxes = split.labels > 0
    chosen = [
        [index for index in range(len(split)) if (index // block) % EVERY == offset]
        for offset in OFFSETS
    ]
    return next((held for held in chosen if 0 < has_boxes[held].sum() < has_boxes.sum()), chosen[0])


def _part(split: BoxSplit, indices: Sequence[int]) -> BoxSplit:
    return split_of_files(
        tuple(split.files[index] for index in indices),
        tuple(split.every_class[index] for index in indices),
        split.undecided,
    )
