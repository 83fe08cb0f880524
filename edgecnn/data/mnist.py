"""MNIST: 70,000 handwritten digits, 28×28 (LeCun, Cortes, Burges 1998), from its four IDX files.

Any data set under the same four names fits too (Fashion-MNIST, Kuzushiji-MNIST).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Labels, Split
from edgecnn.data.content import array_sha256
from edgecnn.data.download import fetch
from edgecnn.data.idx import read_idx
from edgecnn.data.splits import stratified_split
from edgecnn.errors import InputError

LABELS = tuple("0123456789")
VALIDATION_FRACTION = 1 / 12
"""About 5,000 of MNIST's 60,000 training pictures (5,001: each class is rounded)."""
SOURCE = "MNIST handwritten digits (LeCun, Cortes, Burges 1998; CC BY-SA 3.0)"

# The authors' own site stopped serving the files; these two hold them byte for byte.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


class RemoteFile(NamedTuple):
    """What a mirror must serve."""

    size_bytes: int
    sha256: str


FILES = {
    "train-images-idx3-ubyte": RemoteFile(
        9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte": RemoteFile(
        28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte": RemoteFile(
        1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte": RemoteFile(
        4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
"""The names without ".gz", sizes and digests of the gzipped originals."""


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """MNIST as uint8 (28, 28), 0 for paper and 255 for ink.

    The four files come from `data_dir`, gzipped or not; without it they are downloaded once
    (12 MB) to $EDGECNN_HOME/data/mnist, by default under ~/.cache/edgecnn. `seed` chooses the
    validation split from the training files; the test split is the t10k files.

    Raises InputError when a file is missing, damaged or of another shape; DownloadError when
    no mirror can be reached.
    """
    paths = _local_files(data_dir) if data_dir is not None else _downloaded_files()
    train_pictures, train_labels = _read_pair(paths, "train")
    test_pictures, test_labels = _read_pair(paths, "t10k")
    if train_pictures.shape[1:] != test_pictures.shape[1:]:
        raise InputError(
            f"training pictures are {train_pictures.shape[1:]}, "
            f"test pictures {test_pictures.shape[1:]}: the files do not belong together"
        )
    fractions = {"train": 1 - VALIDATION_FRACTION, "validation": VALIDATION_FRACTION}
    indices = stratified_split(train_labels, fractions, LABELS, seed=seed)
    splits = {
        **{name: Split(train_pictures[i], train_labels[i]) for name, i in indices.items()},
        "test": Split(test_pictures, test_labels),
    }
    return Dataset(
        name="mnist",
        task="classification",
        labels=LABELS,
        splits=splits,
        sha256=array_sha256(LABELS, splits),
        sample_shape=train_pictures.shape[1:],
        source=SOURCE,
        seed=seed,
        # Mean and deviation of MNIST's training pixels after scaling to 0…1.
        preprocessing_hints={"fit": "pad", "mean": (0.1307,), "std": (0.3081,)},
    )


def cache_folder() -> Path:
    """Where downloads lie: $EDGECNN_HOME/data/mnist, by default in the user's cache."""
    base = os.environ.get("EDGECNN_HOME")
    if base:
        return Path(base) / "data" / "mnist"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edgecnn" / "data" / "mnist"


def _local_files(data_dir: Path) -> dict[str, Path]:
    if not data_dir.is_dir():
        raise InputError(
            f"no such folder: {data_dir}",
            hint=f"give the folder that holds {', '.join(FILES)} (.gz or not)",
        )
    paths = {}
    for name in FILES:
        candidates = (data_dir / name, data_dir / f"{name}.gz")
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise InputError(
                f"{data_dir} holds neither {name} nor {name}.gz",
                hint=f"expected four files: {', '.join(FILES)} (.gz or not)",
            )
        paths[name] = found
    return paths


def _downloaded_files() -> dict[str, Path]:
    folder = cache_folder()
    return {
        name: fetch(
            [f"{mirror}{name}.gz" for mirror in MIRRORS],
            folder / f"{name}.gz",
            sha256=remote.sha256,
            size_bytes=remote.size_bytes,
        )
        for name, remote in FILES.items()
    }


def _read_pair(paths: dict[str, Path], part: str) -> tuple[npt.NDArray[np.uint8], Labels]:
    """Pictures (n, height, width) and labels (n,) of "train" or "t10k"."""
    images, targets = paths[f"{part}-images-idx3-ubyte"], paths[f"{part}-labels-idx1-ubyte"]
    pictures = read_idx(images, 3)
    labels = read_idx(targets, 1).astype(np.int64)
    if len(pictures) != len(labels):
        raise InputError(
            f"{images.name} holds {len(pictures)} pictures, {targets.name} {len(labels)} labels"
        )
    if labels.max() >= len(LABELS):
        raise InputError(f"{targets}: expected labels 0 to 9, received: {labels.max()}")
    return pictures, labels
