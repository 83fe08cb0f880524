"""Data sets that come as MNIST does: four IDX files with these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Labels, Split
from edgecnn.data.content import array_sha256
from edgecnn.data.files.download import RemoteFile, fetch
from edgecnn.data.files.idx import read_idx
from edgecnn.data.files.places import cache_folder
from edgecnn.data.splits import stratified_split
from edgecnn.errors import InputError

VALIDATION_FRACTION = 1 / 12
"""About 5,000 of 60,000 training images (5,001 of MNIST's: each class is rounded)."""


@dataclass(frozen=True)
class IdxSet:
    """What distinguishes one such data set from another: its classes, files and statistics.

    `files` has the names without ".gz", with sizes and digests of the gzipped originals.
    """

    name: str
    class_names: tuple[str, ...]
    source: str
    files: Mapping[str, RemoteFile]
    mirrors: Sequence[str]
    hints: Mapping[str, Any]

    def load(self, data_dir: Path | None, seed: int) -> Dataset:
        """Images as uint8 (height, width), from `data_dir` or downloaded once.

        `seed` chooses the validation split from the training files; the test split is the
        t10k files. Raises InputError when a file is missing, damaged or of another shape;
        DownloadError when no mirror can be reached.
        """
        paths = self._local_files(data_dir) if data_dir is not None else self._downloaded_files()
        train_images, train_labels = self._read_pair(paths, "train")
        test_images, test_labels = self._read_pair(paths, "t10k")
        if train_images.shape[1:] != test_images.shape[1:]:
            raise InputError(
                f"training images are {train_images.shape[1:]}, "
                f"test images {test_images.shape[1:]}: the files do not belong together"
            )
        fractions = {"train": 1 - VALIDATION_FRACTION, "validation": VALIDATION_FRACTION}
        indices = stratified_split(train_labels, fractions, self.class_names, seed=seed)
        splits = {
            **{name: Split(train_images[i], train_labels[i]) for name, i in indices.items()},
            "test": Split(test_images, test_labels),
        }
        return Dataset(
            name=self.name,
            task="classification",
            labels=self.class_names,
            splits=splits,
            sha256=array_sha256(self.class_names, splits),
            sample_shape=train_images.shape[1:],
            source=self.source,
            seed=seed,
            preprocessing_hints=self.hints,
        )

    def _local_files(self, data_dir: Path) -> dict[str, Path]:
        if not data_dir.is_dir():
            raise InputError(
                f"no such folder: {data_dir}",
                hint=f"pass the folder that holds {', '.join(self.files)} (.gz or not)",
            )
        paths = {}
        for name in self.files:
            candidates = (data_dir / name, data_dir / f"{name}.gz")
            existing = next((path for path in candidates if path.is_file()), None)
            if existing is None:
                raise InputError(
                    f"{data_dir} holds neither {name} nor {name}.gz",
                    hint=f"expected four files: {', '.join(self.files)} (.gz or not)",
                )
            paths[name] = existing
        return paths

    def _downloaded_files(self) -> dict[str, Path]:
        folder = cache_folder(self.name)
        return {
            name: fetch(
                [f"{mirror}{name}.gz" for mirror in self.mirrors],
                folder / f"{name}.gz",
                sha256=remote.sha256,
                size_bytes=remote.size_bytes,
            )
            for name, remote in self.files.items()
        }

    def _read_pair(
        self, paths: Mapping[str, Path], part: str
    ) -> tuple[npt.NDArray[np.uint8], Labels]:
        """Images (n, height, width) and labels (n,) of "train" or "t10k"."""
        image_file, label_file = (
            paths[f"{part}-images-idx3-ubyte"],
            paths[f"{part}-labels-idx1-ubyte"],
        )
        images = read_idx(image_file, 3)
        labels = read_idx(label_file, 1).astype(np.int64)
        if len(images) != len(labels):
            raise InputError(
                f"{image_file.name} holds {len(images)} images, "
                f"{label_file.name} {len(labels)} labels"
            )
        if labels.max() >= len(self.class_names):
            raise InputError(
                f"{label_file}: expected labels 0 to {len(self.class_names) - 1}, "
                f"received: {labels.max()}"
            )
        return images, labels
