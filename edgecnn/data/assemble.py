"""From what a source has read to a Dataset: labels checked, missing splits carved, hashed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.data.base import SPLITS, Dataset, Labels, Split
from edgecnn.data.content import content_sha256, sample_digest
from edgecnn.data.files.npz import pieces
from edgecnn.data.left_out import LeftOut
from edgecnn.data.splits import FRACTIONS, Indices, missing_splits
from edgecnn.errors import InputError
from edgecnn.modalities import Modality


def assemble(
    name: str,
    parts: Mapping[str, Split],
    class_names: Sequence[str],
    *,
    sample_shape: tuple[int, ...],
    source: str,
    seed: int,
    modality: Modality = "image",
    hints: Mapping[str, Any] | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    groups: Sequence[Any] | None = None,
    digests: Mapping[str, Sequence[bytes]] | None = None,
    left_out: Sequence[LeftOut] = (),
    notes: Sequence[str] = (),
) -> Dataset:
    """A Dataset of `parts`, of which "train" is there; absent splits are carved from it by
    `seed` and `fractions`, and what `groups` (one name a training sample) says stays together.

    `digests` holds the samples' digests where the source has them already; otherwise every
    sample is read once for the hash. Raises InputError for labels outside the classes, samples
    without labels, and a class without training samples.
    """
    for split, part in parts.items():
        check_labels(part, class_names, f"{name} ({split})")
    absent = [label for label in range(len(class_names)) if label not in parts["train"].labels]
    if absent:
        raise InputError(
            f"{name}: no training sample of class {class_names[absent[0]]!r} "
            f"({len(absent)} of {len(class_names)} classes have none)"
        )
    carved = missing_splits(
        parts["train"].labels, parts, class_names, seed=seed, fractions=fractions, groups=groups
    )
    splits, hashes = {}, {}
    for split in SPLITS:
        origin = "train" if split in carved else split
        whole = parts[origin]
        chosen = carved.get(split, np.arange(len(whole)))
        splits[split] = (
            Split(take(whole.samples, chosen), whole.labels[chosen]) if split in carved else whole
        )
        known = digests[origin] if digests else None
        hashes[split] = (_digests(splits[split], known, chosen), splits[split].labels)
    return Dataset(
        name=name,
        task="classification",
        labels=tuple(class_names),
        splits=splits,
        sha256=content_sha256(class_names, hashes),
        sample_shape=sample_shape,
        source=source,
        seed=seed,
        preprocessing_hints=dict(hints or {}),
        left_out=tuple(left_out),
        notes=tuple(notes),
        modality=modality,
    )


def _digests(split: Split, known: Sequence[bytes] | None, chosen: Indices) -> Iterator[bytes]:
    """Sample digests in order: those that are `known` of the whole, or made on the way."""
    if known is not None:
        return (known[index] for index in chosen)
    return (sample_digest(split.samples[index]) for index in range(len(split)))


def check_labels(part: Split, class_names: Sequence[str], where: str) -> None:
    """Raise InputError unless each sample has a label and each label is an index of a class."""
    if not len(part.samples):
        raise InputError(f"{where} holds no samples")
    if len(part.samples) != len(part.labels):
        raise InputError(f"{where}: {len(part.samples)} samples, {len(part.labels)} labels")
    wrong = np.flatnonzero((part.labels < 0) | (part.labels >= len(class_names)))
    if len(wrong):
        raise InputError(
            f"{where}: expected labels 0 to {len(class_names) - 1}, "
            f"received: {part.labels[wrong[0]]} at index {wrong[0]} ({len(wrong)} such labels)"
        )


class Subset(Sequence[Any]):
    """Some samples of a sequence, read when asked for."""

    def __init__(self, samples: Any, indices: Indices) -> None:
        self._samples = samples
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Subset(self._samples, self._indices[index])
        return self._samples[int(self._indices[index])]


def take(samples: Any, indices: Indices) -> Any:
    """The samples at `indices`; what lies on the disk stays there."""
    if isinstance(samples, np.ndarray) and not isinstance(samples, np.memmap):
        return samples[indices]
    if isinstance(samples, tuple):
        return tuple(samples[index] for index in indices)
    paths = getattr(samples, "paths", None)
    if paths is not None:  # ImageFiles, RecordingFiles
        return replace(samples, paths=tuple(paths[index] for index in indices))
    return Subset(samples, indices)


def channel_statistics(samples: Any) -> dict[str, tuple[float, ...]]:
    """{"mean": …, "std": …} a channel over all of an array (n, …, channels), of uint8 after
    scaling to 0…1, rounded to 4 places; a channel that never changes has the deviation 1.
    """
    channels = samples.shape[-1]
    count, total, squares = 0, np.zeros(channels), np.zeros(channels)
    for _, piece in pieces(samples):
        values = piece.astype(np.float64).reshape(-1, channels)
        count += len(values)
        total += values.sum(axis=0)
        squares += np.square(values).sum(axis=0)
    scale = 255 if samples.dtype == np.uint8 else 1
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 0)) / scale
    return {
        "mean": tuple(round(float(value), 4) for value in mean / scale),
        "std": tuple(round(float(value), 4) or 1.0 for value in std),
    }


def as_labels(values: Any, where: str) -> Labels:
    """Whole numbers (n,) or (n, 1) as int64 (n,). Raises InputError for anything else."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise InputError(
            f"{where}: expected whole numbers (n,), received: {array.dtype} {array.shape}"
        )
    labels = array.astype(np.float64) if array.dtype.kind == "f" else array
    wrong = np.flatnonzero(~np.isfinite(labels) | (labels != np.floor(labels)))
    if len(wrong):
        raise InputError(
            f"{where}: label {labels[wrong[0]]} at index {wrong[0]} is not a whole number"
        )
    return labels.astype(np.int64)
