"""ModelNet10 as voxels: ten kinds of furniture and fittings, 30×30×30 (Wu and others 2015).

An .npz with X_train, y_train, X_test, y_test, as those who work with VoxNet pass it around.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.data.assemble import as_labels, assemble
from edgecnn.data.base import Dataset, Split
from edgecnn.data.npz import need, read_npz
from edgecnn.data.places import only_file, required_place
from edgecnn.errors import InputError

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
FRACTIONS = {"train": 0.9, "validation": 0.1, "test": 0.15}
SOURCE = "ModelNet10 (Wu and others 2015, 3D ShapeNets; Princeton, for academic use)"
_EXPECTED = "an .npz with X_train, y_train, X_test, y_test"


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Occupancy grids as uint8 (depth, height, width), 1 where there is matter.

    `data_dir` is the .npz or a folder with just one. A tenth of the training grids, chosen by
    `seed`, is the validation split. A grid larger than 0/1 is taken as it is, up to 255.
    Raises InputError when the file is missing, damaged or of another shape.
    """
    path = only_file(required_place(data_dir, "voxels", _EXPECTED), ".npz", _EXPECTED)
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
        sample_shape=parts["train"].samples.shape[1:],  # type: ignore[union-attr]
        source=SOURCE,
        seed=seed,
        fractions=FRACTIONS,
    )
