"""Samples as they come from a file or a camera, for timing what happens before an inference.

The parent leaves a few dozen on the disk; the worker reads them with numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Split
from edgecnn.data.files.images import ImageFiles
from edgecnn.preprocessing import Preprocessing

COUNT = 64
"""As many as a p90 needs (see `statistics.samples.minimum_samples`)."""

BUDGET_BYTES = 256 << 20


@dataclass(frozen=True)
class EncodedSamples:
    """Decoded samples (one .npy file each), the encoded files behind them where there are any
    (in the same order), and the preprocessing from one to the model's tensor.
    """

    arrays: tuple[str, ...]
    files: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncodedSamples:
        return cls(tuple(values["arrays"]), tuple(values["files"]), values["preprocessing"])

    def load(self) -> list[npt.NDArray[Any]]:
        """All decoded samples, in memory."""
        return [np.load(path) for path in self.arrays]


def write_raw(split: Split, preprocessing: Preprocessing, folder: Path) -> EncodedSamples:
    """Write up to 64 samples, spread over the split; fewer when they are very large."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.unique(np.linspace(0, len(split) - 1, COUNT).astype(int)).tolist()
    arrays: list[str] = []
    spent = 0
    for index in chosen:
        sample = np.asarray(split.samples[index])
        spent += sample.nbytes
        if arrays and spent > BUDGET_BYTES:
            break
        path = folder / f"{len(arrays)}.npy"
        np.save(path, sample)
        arrays.append(str(path))
    files: tuple[str, ...] = ()
    if isinstance(split.samples, ImageFiles):
        paths = split.samples.paths
        files = tuple(str(paths[index].resolve()) for index in chosen[: len(arrays)])
    return EncodedSamples(tuple(arrays), files, preprocessing.to_dict())
