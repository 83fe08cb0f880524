"""The samples that conversion runs models on: to calibrate a quantizer, and to compare outputs.

Both are drawn by seed and handed out one at a time, so that memory holds one preprocessed
sample however large the data are. Calibration draws from the training split: the test split
judges the result, and must not have shaped it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.data.splitting.calibration_holdout import KEY, subset
from edgecnn.data.splitting.training_overlap import overlap_mask
from edgecnn.errors import InputError
from edgecnn.feeding.inputs import tensors_for
from edgecnn.manifest import Manifest, TensorSpec
from edgecnn.preprocessing import tensor_range
from edgecnn.results.scored_split import TEST_SPLITS
from edgecnn.synthetic_inputs import Range, SyntheticInputs
from edgecnn.tensor_spec import is_batched

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset, Split
    from edgecnn.preprocessing import Preprocessing, Tensor

DEFAULT_SAMPLES = 256


class SampleStream(Protocol):
    """Model inputs (1, …), one after the other; iterating again gives the same ones. A model with
    several inputs gets a tuple of them (see `conversion.sources.base.tensors_of`).
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Tensor] | Iterator[tuple[Tensor, ...]]: ...

    def record(self) -> dict[str, Any]:
        """What a manifest says about them."""
        ...


@dataclass(frozen=True)
class DrawnSamples:
    """Up to `count` samples of one split, without repetition, prepared for a model.

    Data that name the model's inputs have no preprocessing; `inputs` are those then, and
    `vocabularies` the numbers of ids by the input's name.
    """

    dataset: Dataset
    split_name: str
    preprocessing: Preprocessing | None
    count: int = DEFAULT_SAMPLES
    seed: int = 0
    among: tuple[int, ...] | None = None
    """Indices to draw from; None for the whole split."""
    inputs: tuple[TensorSpec, ...] = ()
    vocabularies: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return min(self.count, len(self._split) if self.among is None else len(self.among))

    def __iter__(self) -> Iterator[Any]:
        split = self._split
        for index in self.indices:
            sample = split.samples[int(index)]
            if self.preprocessing is not None:
                yield self.preprocessing(sample)[None]
            else:
                yield self._named(sample, f"{self.split_name} {index}")

    def _named(self, sample: Mapping[str, Tensor], where: str) -> Tensor | tuple[Tensor, ...]:
        """What a sample holds for each input, with the batch axis of those that have one."""
        unbatched = tensors_for(sample, self.inputs, where=where, limits=self.vocabularies)
        tensors = tuple(
            tensor[None] if is_batched(spec) else tensor
            for tensor, spec in zip(unbatched, self.inputs, strict=True)
        )
        return tensors if len(tensors) > 1 else tensors[0]

    @property
    def ground_truth(self) -> list[Any]:
        """The right answers, in the order of the samples."""
        answers = self._split.ground_truth
        return [answers[int(index)] for index in self.indices]

    def record(self) -> dict[str, Any]:
        apart = {KEY: self.dataset.set_apart} if self.dataset.set_apart else {}
        return apart | {
            "data": self.dataset.name,
            "sha256": self.dataset.sha256,
            "split": self.split_name,
            "n": len(self),
            "seed": self.seed,
        }

    def check(self, input_shape: tuple[int, ...]) -> None:
        """Raise InputError when the samples do not become tensors of `input_shape`, or of those of
        the model's inputs that they name.
        """
        first = next(iter(self))
        if self.preprocessing is None:
            return
        shape = first.shape[1:]
        if shape != input_shape:
            raise InputError(
                f"the data {self.dataset.name!r} give tensors {shape}, "
                f"the model takes {input_shape}",
                hint="use the data the model was trained on, prepared in the same way",
            )

    @property
    def _split(self) -> Split:
        return self.dataset[self.split_name]

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Where the samples stand in their split."""
        generator = np.random.default_rng(self.seed)
        if self.among is not None:
            return generator.choice(np.asarray(self.among), size=len(self), replace=False)
        return generator.choice(len(self._split), size=len(self), replace=False)


@dataclass(frozen=True)
class RandomSamples:
    """Synthetic samples, for a model without data: they show errors, not accuracy.

    Values over the whole range of each of `inputs` (see `synthetic_inputs`); real ones within
    `values` ([0, 1) where nobody knows the model's range), ids below the size in `vocabularies`.
    A sample is a tensor (1, …) for one input, a tuple of them for several; an input whose first
    size is not open has no batch axis.
    """

    inputs: tuple[TensorSpec, ...]
    count: int = DEFAULT_SAMPLES
    seed: int = 0
    vocabularies: Mapping[str, int] = field(default_factory=dict)
    values: Range | None = None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        inputs = self._inputs
        for index in range(self.count):
            sample = tuple(
                tensor if spec.shape[:1] != (None,) else tensor[None]
                for tensor, spec in zip(inputs.sample(index), self.inputs, strict=True)
            )
            yield sample if len(sample) > 1 else sample[0]

    def record(self) -> dict[str, Any]:
        return {"data": self._inputs.describe(), "n": self.count, "seed": self.seed}

    @property
    def _inputs(self) -> SyntheticInputs:
        return SyntheticInputs(
            [
                replace(spec, shape=(1, *spec.shape[1:])) if spec.shape[:1] == (None,) else spec
                for spec in self.inputs
            ],
            self.count,
            seed=self.seed,
            vocabularies=self.vocabularies,
            values={spec.name: self.values for spec in self.inputs} if self.values else {},
        )


def calibration_samples(
    dataset: Dataset,
    preprocessing: Preprocessing | None,
    input_shape: tuple[int, ...],
    *,
    count: int = DEFAULT_SAMPLES,
    seed: int = 0,
    trained: Manifest | None = None,
    inputs: Sequence[TensorSpec] = (),
    vocabularies: Mapping[str, int] | None = None,
) -> DrawnSamples:
    """Samples of the training split, or of the validation split where that is all there is.

    Where the data are those that the model (whose manifest is `trained`) was trained on, split
    in another way, only what it was trained on calibrates: the rest are its test samples.
    `inputs` and `vocabularies` are the model's, for data that name them (and have no
    preprocessing). Raises InputError when there are none, or when they have another shape than the
    model's `input_shape` (without the batch).
    """
    split = _first_filled(dataset, ("train", "validation"), "calibrate with")
    among = _among(dataset, split, trained, seen=True)
    samples = DrawnSamples(
        dataset, split, preprocessing, count, seed, among, tuple(inputs), vocabularies or {}
    )
    samples.check(input_shape)
    return samples


def calibrating_samples(
    dataset: Dataset, *, count: int, seed: int, trained: Manifest | None = None
) -> Split:
    """Those that `calibration_samples` draws with these arguments, as the data hold them."""
    split = _first_filled(dataset, ("train", "validation"), "calibrate with")
    among = _among(dataset, split, trained, seen=True)
    drawn = DrawnSamples(dataset, split, None, count, seed, among)
    return subset(dataset[split], drawn.indices)


def verification_samples(
    dataset: Dataset | None,
    preprocessing: Preprocessing | None,
    input_shape: tuple[int, ...],
    *,
    count: int = DEFAULT_SAMPLES,
    seed: int = 0,
    vocabulary_size: int | None = None,
    inputs: Sequence[TensorSpec] = (),
    vocabularies: Mapping[str, int] | None = None,
    trained: Manifest | None = None,
) -> DrawnSamples | RandomSamples:
    """Samples of the test split (or the nearest there is), without those that `trained` was
    trained on as far as others are left; without data noise over the range
    that `preprocessing` gives, or ids below `vocabulary_size` for a model that takes ids.
    `inputs` are those of a model with several, or of another dtype than float32; `vocabularies`
    are then the numbers of ids by the input's name.

    Raises InputError as `calibration_samples` does.
    """
    if dataset is None or (preprocessing is None and not dataset.has_named_inputs):
        values = tensor_range(preprocessing)
        ids = vocabulary_size is not None
        spec = TensorSpec("input", (None, *input_shape), "int32" if ids else "float32")
        known = vocabularies if inputs else {"input": vocabulary_size} if vocabulary_size else {}
        return RandomSamples(tuple(inputs) or (spec,), count, seed, known or {}, values)
    split = _first_filled(dataset, TEST_SPLITS, "verify with")
    among = _among(dataset, split, trained, seen=False)
    samples = DrawnSamples(
        dataset, split, preprocessing, count, seed, among, tuple(inputs), vocabularies or {}
    )
    samples.check(input_shape)
    return samples


def _among(
    dataset: Dataset, split: str, trained: Manifest | None, *, seen: bool
) -> tuple[int, ...] | None:
    """Samples of a split that training saw, or that it did not; None for all of them, where
    training saw none, or where none are left.
    """
    known = None if trained is None else overlap_mask(trained, dataset, split)
    if known is None or not known.any():
        return None
    return tuple(np.flatnonzero(known == seen).tolist()) or None


def _first_filled(dataset: Dataset, names: tuple[str, ...], purpose: str) -> str:
    for name in names:
        if name in dataset.splits and len(dataset.splits[name]):
            return name
    raise InputError(
        f"the data set {dataset.name!r} has no samples to {purpose}",
        hint=f"it needs a split called {' or '.join(names)}",
    )
