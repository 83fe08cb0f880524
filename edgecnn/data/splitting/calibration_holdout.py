"""Hold out calibration samples from a data set that has a single split.

Those samples calibrate, and are excluded from the accuracy: when a model is converted, and when the
file that they calibrated is verified or measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.data.assemble import take
from edgecnn.data.base import Dataset, Split
from edgecnn.data.left_out import counted
from edgecnn.data.splits import Indices
from edgecnn.manifest import Manifest

MOST = 256
"""Samples that are set apart at most; of small sets it is the half."""
KEY = "set_apart"
"""In the record of calibration samples: how many were set apart from the only split."""
_SEED = 20_260_102
"""Of the choice, which is the same whoever makes it."""


def hold_out_calibration(dataset: Dataset) -> Dataset:
    """The set with a part of its only split as "train" and the rest as "test"; as it is when it
    has several splits, or fewer than two samples, or is what was left when a part was set apart.
    """
    if dataset.set_apart:
        return dataset
    count = _count(dataset)
    if not count:
        return dataset
    ((name, split),) = _filled(dataset).items()
    order = np.random.default_rng(_SEED).permutation(len(split))
    note = (
        f"{name} is the only split: {counted(count, 'sample')} of it held out for calibration and "
        "excluded from the accuracy"
    )
    return replace(
        dataset,
        splits={
            "train": subset(split, np.sort(order[:count])),
            "test": subset(split, np.sort(order[count:])),
        },
        notes=(*dataset.notes, note),
        set_apart=count,
    )


def _filled(dataset: Dataset) -> dict[str, Split]:
    return {name: split for name, split in dataset.splits.items() if len(split)}


def _count(dataset: Dataset) -> int:
    """How many samples `hold_out_calibration` takes; 0 of a set that has several splits."""
    filled = list(_filled(dataset).values())
    return min(len(filled[0]) // 2, MOST) if len(filled) == 1 else 0


def exclude_calibration_samples(dataset: Dataset, manifests: Iterable[Manifest]) -> Dataset:
    """The set as `hold_out_calibration` divides it when a part of it calibrated one of these
    models.
    """
    for manifest in manifests:
        record = manifest.conversion.get("calibration")
        if isinstance(record, dict) and record.get(KEY) and _is_of(record, dataset):
            return hold_out_calibration(dataset)
    return dataset


def _is_of(record: dict[str, Any], dataset: Dataset) -> bool:
    """Other classes chosen of the same images make another digest: annotated images are known by
    their name, and by how many of them are set apart.
    """
    if record.get("sha256") == dataset.sha256:
        return True
    same_name = dataset.task == "detection" and record.get("data") == dataset.name
    return same_name and record.get(KEY) == _count(dataset)


def subset(split: Split, indices: Indices) -> Split:
    """The samples of a split at `indices`, with what belongs to them."""
    others: dict[str, Any] = {}
    for name in ("files", "every_class", "targets"):
        files = getattr(split, name, None)
        if files:
            others[name] = tuple(files[int(index)] for index in indices)
    return replace(
        split, samples=take(split.samples, indices), labels=split.labels[indices], **others
    )
