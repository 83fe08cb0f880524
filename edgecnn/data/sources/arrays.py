"""Arrays from NumPy: an .npz, or .npy files side by side.

Names: x_train, y_train, x_test, y_test (and x_validation or x_val), in either case, or x and y
alone, to be split. What they hold follows from shape and type:

    (n, height, width) of uint8, (n, height, width, 1 | 3 | 4)     images
    (n, length), (n, length, channels)                             signals
    (n, depth, height, width), (n, depth, height, width, channels) volumes

A rank of 4 whose last axis is 1, 3 or 4 is a set of images, never of volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.assemble import as_labels, assemble, channel_statistics, check_labels
from edgecnn.data.base import SPLITS, Dataset, Split
from edgecnn.data.files.npz import Array, check_finite, map_npy, pieces, read_npz, texts
from edgecnn.data.files.places import only_file, required_place
from edgecnn.errors import InputError
from edgecnn.modalities import Modality

_SPLIT_NAMES = {
    "train": ("_train", "_training", ""),
    "validation": ("_validation", "_valid", "_val"),
    "test": ("_test",),
}
_EXPECTED = "an .npz, or .npy files, of x_train, y_train[, x_test, y_test], or of x, y"


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Arrays as they are; an .npz is read into memory, .npy files stay on the disk.

    Labels are whole numbers from 0, or names; `class_names` in the .npz names the numbers. Absent
    splits are carved by `seed`. Images of floats become uint8, from 0…1 or 0…255.

    Raises InputError for arrays that are missing, damaged, of another shape, or that hold NaN or
    infinities, and for labels outside the classes.
    """
    place = required_place(data_dir, "arrays", _EXPECTED)
    arrays = _read(place)
    pairs = _pairs(arrays, place)
    modality = _modality(pairs["train"][0], str(place))
    class_names, labels = _labels(pairs, arrays.get("class_names"), place)
    parts = {}
    for split, (samples, _) in pairs.items():
        where = f"{place.name}, {split}"
        if samples.shape[1:] != pairs["train"][0].shape[1:]:
            raise InputError(
                f"{where}: samples are {samples.shape[1:]}, "
                f"in training {pairs['train'][0].shape[1:]}"
            )
        parts[split] = Split(samples, labels[split])
        check_labels(parts[split], class_names, where)
        check_finite(samples, where)
        if modality == "image":
            parts[split] = Split(_as_images(samples, where), labels[split])
    train = parts["train"].samples
    shape = tuple(pairs["train"][0].shape[1:])
    return assemble(
        place.resolve().stem,
        parts,
        class_names,
        modality=modality,
        sample_shape=(*shape, 1) if modality == "signal" and len(shape) == 1 else shape,
        source="arrays",
        seed=seed,
        hints=_hints(modality, train, len(shape)),
    )


def _read(place: Path) -> dict[str, Array]:
    """Arrays by lower-case name."""
    if place.is_dir():
        files = sorted(place.glob("*.npy"))
        if files:
            return {path.stem.lower(): map_npy(path) for path in files}
        place = only_file(place, ".npz", _EXPECTED)
    if place.suffix == ".npy":
        return _read(place.parent)
    return {name.lower(): array for name, array in read_npz(place).items()}


def _pairs(arrays: Mapping[str, Array], place: Path) -> dict[str, tuple[Array, Array]]:
    """Samples and labels of each split that is there."""
    pairs: dict[str, tuple[Array, Array]] = {}
    for split in SPLITS:
        for ending in _SPLIT_NAMES[split]:
            samples, labels = arrays.get(f"x{ending}"), arrays.get(f"y{ending}")
            if samples is not None and labels is not None:
                pairs[split] = (samples, labels)
                break
            if samples is not None or labels is not None:
                present, absent = ("x", "y") if samples is not None else ("y", "x")
                raise InputError(f"{place} holds {present}{ending} but no {absent}{ending}")
    if "train" not in pairs:
        raise InputError(
            f"{place} holds: {', '.join(arrays) or 'nothing'}", hint=f"expected {_EXPECTED}"
        )
    return pairs


def _modality(samples: Array, where: str) -> Modality:
    rank, last = samples.ndim, samples.shape[-1] if samples.ndim else 0
    if samples.dtype.kind not in "buif" or 0 in samples.shape:
        raise InputError(f"{where}: expected numbers, received: {samples.dtype} {samples.shape}")
    if (rank == 3 and samples.dtype == np.uint8) or (rank == 4 and last in (1, 3, 4)):
        return "image"
    if rank in (2, 3):
        return "signal"
    if rank in (4, 5):
        return "volume"
    raise InputError(
        f"{where}: expected samples of rank 2 to 5 with the batch, received: {samples.shape}"
    )


def _labels(
    pairs: Mapping[str, tuple[Array, Array]], named: Array | None, place: Path
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Class names, and labels (n,) int64 by split."""
    targets = {split: labels for split, (_, labels) in pairs.items()}
    if all(labels.dtype.kind in "SU" for labels in targets.values()):
        words = {
            split: texts(labels, f"{place.name}, {split}") for split, labels in targets.items()
        }
        names = tuple(sorted(set(words["train"])))
        index = {name: label for label, name in enumerate(names)}
        for split, split_words in words.items():
            strange = next((name for name in split_words if name not in index), None)
            if strange is not None:
                raise InputError(
                    f"{place.name}, {split}: label {strange!r} is a class that training does "
                    "not have"
                )
        return names, {
            split: np.asarray([index[name] for name in split_words], np.int64)
            for split, split_words in words.items()
        }
    numbers = {
        split: as_labels(labels, f"{place.name}, {split}") for split, labels in targets.items()
    }
    if named is not None:
        return tuple(texts(named, f"{place.name}, class_names")), numbers
    highest = int(numbers["train"].max(initial=0))
    if highest >= len(numbers["train"]):
        raise InputError(
            f"{place.name}: label {highest} for {len(numbers['train'])} training samples",
            hint="labels count the classes from 0: 0, 1, 2, …",
        )
    return tuple(str(label) for label in range(highest + 1)), numbers


def _as_images(samples: Array, where: str) -> Array:
    """uint8 as it is; floats of 0…1 or 0…255, and other whole numbers of 0…255, as uint8."""
    if samples.dtype == np.uint8:
        return samples
    lowest = min(piece.min() for _, piece in pieces(samples))
    highest = _highest(samples)
    if lowest < 0 or highest > 255:
        raise InputError(
            f"{where}: expected images of 0…1 or 0…255, received: {lowest} to {highest}",
            hint="pass pixels before they are normalized: the manifest's preprocessing does that",
        )
    factor = 255 if samples.dtype.kind in "bf" and highest <= 1 else 1
    return np.concatenate(
        [np.rint(piece * factor).astype(np.uint8) for _, piece in pieces(samples)]
    )


def _hints(modality: Modality, train: Any, axes: int) -> dict[str, Any]:
    """Statistics of the training samples, so that tensors are centered on 0 with deviation 1."""
    channelled = axes == {"image": 3, "signal": 2, "volume": 4, "text": 0}[modality]
    statistics = channel_statistics(train if channelled else _with_channel(train))
    if modality == "image":
        colors = train.shape[-1] if channelled else 1
        keep = 3 if colors == 4 else colors  # transparency is dropped
        return {"fit": "stretch", **{name: value[:keep] for name, value in statistics.items()}}
    if modality == "volume" and train.dtype.kind in "bu" and _highest(train) <= 1:
        return {}  # occupancy stays 0 and 1
    scale = 1 / 255 if train.dtype == np.uint8 else 1.0
    return {"scale": scale, **statistics}


def _highest(samples: Array) -> Any:
    return max(piece.max() for _, piece in pieces(samples))


def _with_channel(samples: Any) -> Any:
    return samples[..., None]
