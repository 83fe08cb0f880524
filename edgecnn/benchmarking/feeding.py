"""What the rows of a benchmark are fed: the test split, prepared once for each way that a model
wants it, as files that the workers read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecnn.benchmarking.accuracy import scorer_for
from edgecnn.benchmarking.inputs import write_samples
from edgecnn.benchmarking.raw import RawSamples, write_raw
from edgecnn.data.base import Dataset
from edgecnn.errors import EdgeCNNError
from edgecnn.evaluation.tasks import Scorer
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import Preprocessing

InputShape = Callable[[], tuple[int, ...] | None]
"""(height, width, channels) of a model that does not say it itself; None when nobody can say."""


@dataclass(frozen=True)
class Prepared:
    """The test split as a file of tensors, some of its samples before preprocessing, and what
    scores the answers.
    """

    path: Path
    raw: RawSamples
    preprocessing: Preprocessing
    scorer: Scorer


class Feeding:
    """The test split of `data`, written into `folder` as each artifact wants it.

    Artifacts that want the same share a file.
    """

    def __init__(self, data: Dataset | None, folder: Path) -> None:
        self._data = data
        self._folder = folder
        self._prepared: dict[str, Prepared | EdgeCNNError | None] = {}
        self._files: dict[Preprocessing, tuple[Path, RawSamples]] = {}

    def prepare(self, artifact: Artifact, shape: InputShape) -> None:
        """Write what `artifact` is fed, unless it is there."""
        if self._data is not None and artifact.sha256 not in self._prepared:
            try:
                self._prepared[artifact.sha256] = self._prepare(self._data, artifact, shape)
            except EdgeCNNError as error:
                self._prepared[artifact.sha256] = error

    def of(self, artifact: Artifact) -> Prepared | EdgeCNNError | None:
        """What `prepare` made: None without data or without a known input (synthetic samples
        are measured then), an error where data and model do not fit.
        """
        return self._prepared.get(artifact.sha256)

    def scorer(self, artifact: Artifact) -> Scorer | None:
        """What scores the outputs of `artifact`, None where it is not fed the data."""
        prepared = self.of(artifact)
        return prepared.scorer if isinstance(prepared, Prepared) else None

    def _prepare(self, data: Dataset, artifact: Artifact, shape: InputShape) -> Prepared | None:
        preprocessing = artifact.manifest.preprocessing
        if preprocessing is None:
            sizes = shape()
            if sizes is None:
                return None
            preprocessing = data.preprocessing(sizes)
        if preprocessing not in self._files:
            path = self._folder / f"samples-{len(self._files)}.npy"
            write_samples(data["test"], preprocessing, path)
            raw = write_raw(data["test"], preprocessing, path.with_suffix(""))
            self._files[preprocessing] = (path, raw)
        scorer = scorer_for(data, preprocessing, artifact.manifest)
        return Prepared(*self._files[preprocessing], preprocessing, scorer)
