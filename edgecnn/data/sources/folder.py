"""A folder of images: one sub-folder per class, named after it.

Either `<folder>/<class>/*.jpg`, split by seed, or `<folder>/<split>/<class>/…` with splits by any
of their usual names (`Train`, `training`, `val`, `valid`, `dev`, `Test` …), kept as they are;
a split that is absent, or has no image of a class of training, is carved from the training images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.data.base import SPLITS, Dataset, Split
from edgecnn.data.content import content_sha256
from edgecnn.data.files.folder_layout import LAYOUT_HINT, ClassFolders, class_folders
from edgecnn.data.files.images import ImageFiles
from edgecnn.data.files.readable_images import ReadableImage, readable_images
from edgecnn.data.left_out import LeftOut, described
from edgecnn.data.splits import missing_splits
from edgecnn.errors import InputError
from edgecnn.progress import Progress
from edgecnn.registry import require

Readable = Mapping[str, list[ReadableImage]]


def load(
    *, data_dir: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> Dataset:
    """Read an image folder. Every image is decoded once to find the broken ones and to
    hash the content; after that images are decoded when they are asked for, so that memory
    does not grow with their number.

    Listed in `left_out`: broken images and kinds that are not read, classes with too few
    images, and images of classes that training does not have.

    Raises InputError when there is no such folder, or fewer than two classes that can be used.
    """
    require("PIL.Image", "train")
    if data_dir is None:
        raise InputError("an image folder needs a path", hint="--data folder:PATH")
    if not data_dir.is_dir():
        raise InputError(f"no such folder: {data_dir}", hint=LAYOUT_HINT)
    classes = class_folders(data_dir)
    left_out = list(classes.left_out)
    readable = {
        split: readable_images(images, data_dir, left_out, progress)
        for split, images in classes.images.items()
    }
    class_names, kept = _usable(classes, readable, data_dir, left_out)
    splits = _with_missing_splits(kept, class_names, seed)
    everything = [entry for split in splits.values() for entry in split]
    channels = max(entry.shape[2] for entry in everything)
    (height, width), _ = Counter(entry.shape[:2] for entry in everything).most_common(1)[0]
    arrays = {
        name: Split(
            ImageFiles(tuple(entry.path for entry in chosen), channels),
            np.asarray([entry.label for entry in chosen], np.int64),
        )
        for name, chosen in splits.items()
    }
    return Dataset(
        name=data_dir.resolve().name,
        task="classification",
        labels=class_names,
        splits=arrays,
        sha256=content_sha256(
            class_names,
            {
                name: ((entry.digest for entry in chosen), arrays[name].labels)
                for name, chosen in splits.items()
            },
        ),
        sample_shape=(height, width, channels),
        source="a folder of images",
        seed=seed,
        # Centered on 0: half of the range, for images whose statistics nobody measured.
        preprocessing_hints={"fit": "stretch", "mean": (0.5,), "std": (0.25,)},
        left_out=tuple(left_out),
        notes=(*classes.notes, *_carved(kept, classes.images)),
    )


def _usable(
    classes: ClassFolders, readable: Readable, folder: Path, left_out: list[LeftOut]
) -> tuple[tuple[str, ...], dict[str, list[ReadableImage]]]:
    """The classes that have images enough, and their images with the classes' new numbers. A
    split that has none of them is as one that is absent.

    Raises InputError for fewer than two.
    """
    origin = "train" if "train" in readable else next(iter(readable))
    have = Counter(entry.label for entry in readable[origin])
    present = list(readable)
    while True:
        carved = [name for name in SPLITS if name not in present] if origin == "train" else []
        needed = 1 + len(carved)
        usable = [label for label in range(len(classes.names)) if have[label] >= needed]
        filled = [
            split
            for split in present
            if split == origin or any(entry.label in usable for entry in readable[split])
        ]
        if filled == present:
            break
        present = filled
    if len(usable) < 2:
        raise InputError(
            _too_few(folder, classes, have, needed), hint=described(left_out) or LAYOUT_HINT
        )
    number = {label: index for index, label in enumerate(usable)}
    kept: dict[str, list[ReadableImage]] = {}
    for split, entries in readable.items():
        kept[split] = []
        for entry in entries:
            if entry.label in number:
                kept[split].append(replace(entry, label=number[entry.label]))
                continue
            name = classes.names[entry.label]
            reason = (
                f"class {name!r} has {have[entry.label]} sample(s), expected at least {needed}"
                + (f": one for each of {', '.join(['train', *carved])}" if carved else "")
            )
            left_out.append(LeftOut(str(entry.path.relative_to(folder)), reason))
    names = tuple(classes.names[label] for label in usable)
    return names, {split: kept[split] for split in present}


def _too_few(folder: Path, classes: ClassFolders, have: Mapping[int, int], needed: int) -> str:
    if len(classes.names) < 2:
        received = (
            f"one class ({classes.names[0]})" if classes.names else "no sub-folders of images"
        )
        return f"{folder}: received {received}"
    counts = ", ".join(f"{name} {have[label]}" for label, name in enumerate(classes.names[:10]))
    return (
        f"{folder}: fewer than two classes have the {needed} readable images that "
        f"{needed} splits need, received: {counts}"
    )


def _carved(entries: Readable, folders: Collection[str]) -> tuple[str, ...]:
    """What is said when some splits have `folders` of their own and others have not, or only
    folders without an image that can be used.
    """
    empty = [name for name in folders if name not in entries]
    notes = [f"{name} holds no image of a class that can be used" for name in empty]
    carved = [name for name in SPLITS if name not in entries]
    if "train" in entries and carved and len(folders) > 1:
        notes.append(f"{' and '.join(carved)} taken from train")
    return tuple(notes)


def _with_missing_splits(
    entries: Readable, class_names: Sequence[str], seed: int
) -> dict[str, list[ReadableImage]]:
    """Carve the splits that have no folder of their own from the training images."""
    if "train" not in entries:
        return dict(entries)
    train = entries["train"]
    labels = np.asarray([entry.label for entry in train], np.int64)
    indices = missing_splits(labels, entries, class_names, seed=seed)
    own = {name: [train[index] for index in chosen] for name, chosen in indices.items()}
    return {name: own.get(name) or entries[name] for name in SPLITS}
