"""A folder of pictures: one sub-folder per class, named after it.

Either `<folder>/<class>/*.jpg`, split by seed, or `<folder>/train/<class>/…` with
`val` or `validation` and `test` beside it, honoured as they are; a split that is absent is
carved from the training pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn.data.base import SPLITS, Dataset, Split
from edgecnn.data.content import content_sha256
from edgecnn.data.left_out import LeftOut
from edgecnn.data.pictures import ENDINGS, PictureFiles
from edgecnn.data.readable import ReadablePicture, readable_pictures
from edgecnn.data.splits import missing_splits
from edgecnn.errors import InputError
from edgecnn.registry import require

SPLIT_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val"),
    "test": ("test",),
}
_LAYOUT_HINT = "expected one sub-folder of pictures for each class, at least two classes"


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Read a picture folder. Every picture is decoded once to find the broken ones and to
    hash the content; after that pictures are decoded when they are asked for, so that memory
    does not grow with their number.

    Broken pictures are left out with one DataWarning, and listed in `left_out`.

    Raises InputError when there is no such folder, fewer than two classes, a class without
    (enough) readable pictures, or a class in one split that training does not know.
    """
    require("PIL.Image", "train")
    if data_dir is None:
        raise InputError("a picture folder needs its place", hint="--data folder:PATH")
    if not data_dir.is_dir():
        raise InputError(f"no such folder: {data_dir}", hint=_LAYOUT_HINT)
    roots = _split_roots(data_dir)
    class_names = _class_names(data_dir, roots)
    left_out: list[LeftOut] = []
    entries = {
        split: _readable(data_dir, root, class_names, left_out) for split, root in roots.items()
    }
    splits = _with_missing_splits(entries, class_names, seed)
    everything = [entry for split in splits.values() for entry in split]
    channels = max(entry.shape[2] for entry in everything)
    (height, width), _ = Counter(entry.shape[:2] for entry in everything).most_common(1)[0]
    arrays = {
        name: Split(
            PictureFiles(tuple(entry.path for entry in chosen), channels),
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
        source="a folder of pictures",
        seed=seed,
        # Centred on 0: half of the range, for pictures whose statistics nobody measured.
        preprocessing_hints={"fit": "stretch", "mean": (0.5,), "std": (0.25,)},
        left_out=tuple(left_out),
    )


def _split_roots(folder: Path) -> dict[str, Path]:
    """Where each split lies; the folder itself as "train" when it has no train/<class>."""
    roots = {}
    for split, names in SPLIT_FOLDERS.items():
        found = next((folder / name for name in names if _sub_folders(folder / name)), None)
        if found is not None:
            roots[split] = found
    return roots if "train" in roots else {"train": folder}


def _sub_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
    )


def _class_names(folder: Path, roots: Mapping[str, Path]) -> tuple[str, ...]:
    names = tuple(child.name for child in _sub_folders(roots["train"]))
    if len(names) < 2:
        received = f"one class ({names[0]})" if names else "no sub-folders"
        raise InputError(f"{folder}: received {received}", hint=_LAYOUT_HINT)
    for root in roots.values():
        for child in _sub_folders(root):
            if child.name not in names:
                raise InputError(
                    f"{root.name}/{child.name} is a class that training does not have",
                    hint=f"training has: {', '.join(names)}",
                )
    return names


def _readable(
    folder: Path, root: Path, class_names: Sequence[str], left_out: list[LeftOut]
) -> list[ReadablePicture]:
    """The pictures under `root` that can be decoded; the broken are named in `left_out`."""
    found = [
        (path, label)
        for label, name in enumerate(class_names)
        for path in _picture_paths(root / name)
    ]
    entries = readable_pictures(found, folder, left_out)
    present = {entry.label for entry in entries}
    for label, name in enumerate(class_names):
        if label not in present:
            had = sum(1 for _, of in found if of == label)
            state = f"{had} pictures, none of them readable" if had else "no pictures"
            raise InputError(
                f"class folder {root / name} holds {state}",
                hint=f"fill or remove it; known endings: {', '.join(sorted(ENDINGS))}",
            )
    return entries


def _picture_paths(folder: Path) -> list[Path]:
    """Picture files below a class folder, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    )


def _with_missing_splits(
    entries: Mapping[str, list[ReadablePicture]], class_names: Sequence[str], seed: int
) -> dict[str, list[ReadablePicture]]:
    """Carve the splits that have no folder of their own from the training pictures."""
    train = entries["train"]
    labels = np.asarray([entry.label for entry in train], np.int64)
    indices = missing_splits(labels, entries, class_names, seed=seed)
    own = {name: [train[index] for index in chosen] for name, chosen in indices.items()}
    return {name: own.get(name) or entries[name] for name in SPLITS}
