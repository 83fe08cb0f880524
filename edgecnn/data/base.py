"""One Dataset for every source.

Samples stay raw (uint8 images as decoded, sentences as strings) until a Preprocessing turns
them into tensors, so that training, calibration, evaluation and the benchmark see the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.left_out import RECORDED, LeftOut, described, encodable
from edgecnn.deprecation import old_attribute
from edgecnn.errors import InputError
from edgecnn.modalities import AXES, SAMPLES, Modality
from edgecnn.preprocessing import (
    GRAY_WEIGHTS,
    ImagePreprocessing,
    Preprocessing,
    SignalPreprocessing,
    SpectrogramPreprocessing,
    Tensor,
    TextPreprocessing,
    VolumePreprocessing,
)
from edgecnn.results.scored_split import scored_split

Labels = npt.NDArray[np.int64]
UNLABELED = "unlabeled"
"""The task of data without right answers: they calibrate and compare, and give no accuracy."""
SPLITS = ("train", "validation", "test")
CLASSES_NAMED = 10
"""In a line; of more, as many are named and all are counted."""

_PREPROCESSING: Mapping[str, type[Any]] = {
    "image": ImagePreprocessing,
    "text": TextPreprocessing,
    "signal": SignalPreprocessing,
    "spectrogram": SpectrogramPreprocessing,
    "volume": VolumePreprocessing,
}
"""For each modality, and for sounds among the signals."""


@dataclass(frozen=True)
class Split:
    """Samples and labels of one split.

    `samples` is anything with a length that is indexed by an integer and gives one raw sample:
    an array in memory, a lazy reader of files, a tuple of texts. `labels` is (n,).
    """

    samples: Sequence[Any] | npt.NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def ground_truth(self) -> Sequence[Any] | Labels:
        """The right answers, one a sample, as the task's scorer takes them."""
        return self.labels

    truth = old_attribute("truth", "ground_truth")

    def tensors(
        self, preprocessing: Preprocessing, batch: int, *, limit: int | None = None
    ) -> Iterator[tuple[Tensor, Labels]]:
        """Preprocessed batches in order: (≤ batch, …) and labels; memory stays flat."""
        count = len(self) if limit is None else min(limit, len(self))
        for start in range(0, count, batch):
            stop = min(start + batch, count)
            chosen = [self.samples[index] for index in range(start, stop)]
            yield preprocessing.batch(chosen), self.labels[start:stop]


@dataclass(frozen=True)
class Answers:
    """The right answers of a split for a model with classes of its own.

    `ground_truth` has an answer for each sample; where `class_ids` is not None its classes are
    numbered as the model numbers them, and `class_ids` are those that are looked for. `labels`
    are the names of the classes.
    """

    ground_truth: Sequence[Any] | npt.NDArray[Any]
    labels: tuple[str, ...]
    class_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set with splits fixed by seed.

    `sha256` identifies the content (samples, labels and split), `source` says where it is from
    and under which license. `sample_shape` is the usual shape of a raw sample: (height, width[,
    channels]) of images, (words,) of texts, (samples, channels) of signals, (frames, bands) of
    sounds whose hints ask for a spectrogram, (depth, height, width[, channels]) of volumes, () of
    tensors by name.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    splits: Mapping[str, Split]
    sha256: str
    sample_shape: tuple[int, ...]
    source: str = ""
    seed: int = 0
    preprocessing_hints: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for the preprocessing that suits this source (fit="pad" for MNIST), and
    its kind where it is not the modality's own (kind="spectrogram" for sounds).
    """
    left_out: tuple[LeftOut, ...] = ()
    """What was there and is not used, or not as it was, each with the reason; also warned of."""
    notes: tuple[str, ...] = ()
    """How the files were understood, where more than one reading is possible."""
    modality: Modality = "image"
    set_apart: int = 0
    """Samples of a set in one piece that calibrate, and count for no accuracy."""
    labels_are_class_ids: bool = False
    """Labels are the model's own class numbers: `labels` are these as text, no names."""
    is_part: bool = False
    """The test split is a part of the set's own, or another of its splits: what training measured
    on the set's own says nothing about it.
    """

    def __post_init__(self) -> None:
        """What is written of a set is text that every file can hold, whatever its own files are
        called.
        """
        for name in ("name", "source"):
            object.__setattr__(self, name, encodable(getattr(self, name)))
        for name in ("labels", "notes"):
            object.__setattr__(self, name, tuple(map(encodable, getattr(self, name))))

    def __getitem__(self, split: str) -> Split:
        """A split by name. Where there is no "test", validation or else training is the test.

        Raises InputError when there is none of that name.
        """
        if split == "test":
            split = scored_split(self.splits)
        if split not in self.splits:
            raise InputError(
                f"data set {self.name!r} has no split {split!r}",
                hint=f"it has: {', '.join(self.splits)}",
            )
        return self.splits[split]

    def answers(self, split: str, class_names: Sequence[str] = ()) -> Answers:  # noqa: ARG002
        """The right answers of a split. `class_names` are those of the model that is scored, for
        data whose classes have to be found among them. Raises InputError where they cannot be.
        """
        own = tuple(range(len(self.labels))) if self.labels_are_class_ids else None
        return Answers(self[split].ground_truth, self.labels, own)

    @property
    def are_tensors(self) -> bool:
        """Whether the samples are arrays of numbers that somebody made for a network, not images
        or recordings of which many ways lead to one.
        """
        return self.source == "arrays" and self.modality in ("signal", "volume")

    @property
    def has_named_inputs(self) -> bool:
        """Whether a sample is a mapping from the names of a model's inputs to what they take."""
        return self.modality == "tensors"

    def preprocessing(self, input_shape: Sequence[int]) -> Preprocessing:
        """The preprocessing from this source's samples to a tensor of `input_shape`.

        Raises InputError for a shape that samples of this modality cannot take.
        """
        if self.has_named_inputs:
            raise InputError(
                f"{self.name} holds model inputs: they cannot be preprocessed",
                hint="convert, verify and benchmark feed them unchanged; other commands need raw "
                "samples",
            )
        hints = dict(self.preprocessing_hints)
        kind = hints.pop("kind", self.modality)
        axes = AXES[kind]
        if len(input_shape) != len(axes):
            raise InputError(
                f"{self.name} holds {SAMPLES[kind]} and needs an input ({', '.join(axes)}), "
                f"received: {tuple(input_shape)}"
            )
        sizes = dict(zip(axes, (int(size) for size in input_shape), strict=True))
        if self.modality == "image" and sizes["channels"] == 1:
            hints |= {key: _of_gray(hints[key]) for key in ("mean", "std") if key in hints}
        preprocessing: Preprocessing = _PREPROCESSING[kind](**sizes, **hints)
        return preprocessing

    def record(self) -> dict[str, Any]:
        """What manifests and results say about the data."""
        apart = {"set_apart": self.set_apart} if self.set_apart else {}
        return apart | {
            "name": self.name,
            "sha256": self.sha256,
            "seed": self.seed,
            "samples": {name: len(split) for name, split in self.splits.items()},
            "source": self.source,
            "summary": self.summary(),
            "skipped": len(self.left_out),
            "left_out": [entry.to_dict() for entry in self.left_out[:RECORDED]],
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """What was understood, in one line: splits, classes, what was left out and why."""
        parts = [", ".join(f"{name} {len(split)}" for name, split in self.splits.items())]
        if self.labels:
            parts.append(named_classes(self.labels))
        parts += self.notes
        if self.left_out:
            parts.append(described(self.left_out))
        return "; ".join(parts)


def refuse_prepared_data(dataset: Dataset, verb: str) -> None:
    """Raise InputError for data that name a model's inputs, where samples are prepared."""
    if dataset.has_named_inputs:
        raise InputError(
            f"{verb} takes raw samples, {dataset.name} holds model inputs",
            hint="convert, verify and benchmark accept model inputs",
        )


def named_classes(labels: Sequence[str]) -> str:
    """As in "classes cats, dogs"; of many the first few."""
    if len(labels) <= CLASSES_NAMED:
        return f"{'class' if len(labels) == 1 else 'classes'} {', '.join(labels)}"
    return f"{len(labels)} classes ({', '.join(labels[:CLASSES_NAMED])} …)"


def _of_gray(statistics: Sequence[float]) -> tuple[float, ...]:
    """Statistics of colored images for a network that sees them gray: exact for the mean; for
    the deviation as near as the colors vary together.
    """
    if len(statistics) != len(GRAY_WEIGHTS):
        return tuple(statistics)
    weighted = zip(GRAY_WEIGHTS, statistics, strict=True)
    return (round(sum(weight * value for weight, value in weighted), 4),)
