"""Handwritten digits that come with scikit-learn: real data without a download.

1,797 images of 8×8 from the UCI "Optical Recognition of Handwritten Digits" test set
(E. Alpaydin, C. Kaynak, 1998; CC BY 4.0). Each pixel counts the dark ones of a 4×4 block of the
32×32 scan, 0 to 16.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Split
from edgecnn.data.content import array_sha256
from edgecnn.data.splits import stratified_split
from edgecnn.registry import require

LABELS = tuple("0123456789")
FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}
SOURCE = "UCI Optical Recognition of Handwritten Digits, as in scikit-learn (CC BY 4.0)"


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """The digits as uint8 (8, 8) with 0 for paper and 255 for ink; `data_dir` is not used.

    Raises MissingDependencyError without scikit-learn.
    """
    del data_dir
    table = _table()
    images = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    targets = table[:, -1].astype(np.int64)
    indices = stratified_split(targets, FRACTIONS, LABELS, seed=seed)
    splits = {name: Split(images[chosen], targets[chosen]) for name, chosen in indices.items()}
    return Dataset(
        name="digits",
        task="classification",
        labels=LABELS,
        splits=splits,
        sha256=array_sha256(LABELS, splits),
        sample_shape=(8, 8),
        source=SOURCE,
        seed=seed,
        # Mean and deviation of all pixels after scaling to 0…1.
        preprocessing_hints={"fit": "stretch", "mean": (0.305,), "std": (0.376,)},
    )


def _table() -> npt.NDArray[np.float64]:
    """(1797, 65): the pixels of each image, then its digit.

    Read from scikit-learn's file, since importing scikit-learn takes seconds.
    """
    spec = find_spec("sklearn")
    path = Path(spec.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if spec else None
    if path is not None and path.is_file():
        return np.loadtxt(path, np.float64, delimiter=",")
    bunch = require("sklearn.datasets", "train").load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.float64)
