"""Voxel grids: ModelNet10 as an .npz, or folders of binvox files.

ModelNet10 is ten kinds of furniture and fittings (Wu and others 2015), of 30×30×30 with X_train,
y_train, X_test, y_test as those who work with VoxNet pass it around. Folders are those of
ModelNet: <class>/train/*.binvox and <class>/test/*.binvox, or <class>/*.binvox to be split.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from edgecnn.data import splits
from edgecnn.data.assemble import as_labels, assemble
from edgecnn.data.base import Dataset, Split
from edgecnn.data.content import sample_digest
from edgecnn.data.files.binvox import BinvoxFiles, UnreadableGridError, read_binvox
from edgecnn.data.files.npz import need, read_npz
from edgecnn.data.files.places import only_file, required_place
from edgecnn.data.left_out import LeftOut
from edgecnn.errors import InputError
from edgecnn.progress import Progress

LABELS = (
    "bathtub",
    "bed",
    "chair",
    "desk",
    "dresser",
    "monitor",
    "night_stand",
    "sofa",
    "table",
    "toilet",
)
"""In alphabetical order, as label 0 to 9."""
PROGRESS_EVERY = 1000
FRACTIONS = {"train": 0.9, "validation": 0.1, "test": 0.15}
SOURCE = "ModelNet10 (Wu and others 2015, 3D ShapeNets; Princeton, for academic use)"
_EXPECTED = "an .npz with X_train, y_train, X_test, y_test, or a folder of .binvox per class"


def load(
    *, data_dir: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> Dataset:
    """Occupancy grids as uint8 (depth, height, width), 1 where there is matter.

    `data_dir` is the .npz, a folder with exactly one, or a folder of classes whose binvox files
    are read when they are asked for. A tenth of the training grids, chosen by `seed`, is the
    validation split. Broken files are left out with one DataWarning.

    Raises InputError when files are missing, damaged or of another shape, and for a class
    without readable files.
    """
    place = required_place(data_dir, "voxels", _EXPECTED)
    if place.is_dir() and next(place.rglob("*.binvox"), None) is not None:
        return _from_folders(place, seed, progress)
    return _from_npz(only_file(place, ".npz", _EXPECTED), seed)


def _from_npz(path: Path, seed: int) -> Dataset:
    arrays = read_npz(path)
    parts = {}
    for split in ("train", "test"):
        grids, labels = need(arrays, f"X_{split}", f"y_{split}", path=path)
        if grids.ndim != 4 or grids.dtype.kind not in "ub" or grids.dtype.itemsize != 1:
            raise InputError(
                f"{path}: expected X_{split} of uint8 (n, depth, height, width), "
                f"received: {grids.dtype} {grids.shape}",
                hint="other voxel arrays: --data arrays:FILE.npz",
            )
        parts[split] = Split(grids.astype(np.uint8), as_labels(labels, f"{path}, y_{split}"))
    return assemble(
        "voxels",
        parts,
        LABELS,
        modality="volume",
        sample_shape=np.asarray(parts["train"].samples).shape[1:],
        source=SOURCE,
        seed=seed,
        fractions=FRACTIONS,
    )


def _from_folders(place: Path, seed: int, progress: Progress | None) -> Dataset:
    class_names = tuple(
        sorted(child.name for child in place.iterdir() if any(child.rglob("*.binvox")))
    )
    left_out: list[LeftOut] = []
    paths: dict[str, list[Path]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    digests: dict[str, list[bytes]] = {"train": [], "test": []}
    shapes: Counter[tuple[int, ...]] = Counter()
    files = [
        (label, path)
        for label, name in enumerate(class_names)
        for path in sorted((place / name).rglob("*.binvox"))
    ]
    for number, (label, path) in enumerate(files, start=1):
        if progress and number % PROGRESS_EVERY == 0:
            progress("read", number, len(files))
        try:
            grid = read_binvox(path)
        except UnreadableGridError as error:
            left_out.append(LeftOut(str(path.relative_to(place)), error.message))
            continue
        split = "test" if path.parent.name == "test" else "train"
        paths[split].append(path)
        labels[split].append(label)
        digests[split].append(sample_digest(grid))
        shapes[grid.shape] += 1
    if len(class_names) < 2 or not paths["train"]:
        raise InputError(
            f"{place}: {len(class_names)} class(es), {len(paths['train'])} readable training grids",
            hint=f"expected {_EXPECTED}",
        )
    parts = {
        split: Split(BinvoxFiles(tuple(paths[split])), np.asarray(labels[split], np.int64))
        for split in ("train", "test")
        if paths[split]
    }
    return assemble(
        place.resolve().name,
        parts,
        class_names,
        modality="volume",
        sample_shape=shapes.most_common(1)[0][0],
        source="a folder of voxel grids",
        seed=seed,
        fractions=FRACTIONS if "test" in parts else splits.FRACTIONS,
        digests=digests,
        left_out=left_out,
    )
