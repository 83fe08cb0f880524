"""Learning sequences: the next subword behind each part of the right answer (teacher forcing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import models
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.evaluation.tasks import ScoringContext, open_scorer
from edgecnn.keras_files import import_keras
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.preprocessing.subwords import PADDING, START
from edgecnn.registry import MODELS, SEQUENCE_MODELS, require
from edgecnn.sequences.graphs import parts_of
from edgecnn.sequences.keras_steps import KerasSteps
from edgecnn.sequences.search import greedy, padded
from edgecnn.training import network
from edgecnn.training.augmentation.text import Words
from edgecnn.training.checkpoint import TrainingHistory
from edgecnn.training.config import NOT_FOR_SEQUENCES, TrainingConfig
from edgecnn.training.devices import multiple_of
from edgecnn.training.logs import TrainingLog
from edgecnn.training.sequences.batches import Sentences, bucketed_batches, ordered_batches

if TYPE_CHECKING:
    import keras

_EVALUATION_BATCH = 64
SHOWN = 3
"""Validation samples that are answered behind each epoch."""
_DROPPED = {"none": 0.0, "light": 0.05, "standard": 0.1, "strong": 0.2}
"""Share of a source's subwords that are unknown, by level of augmentation."""


class SequenceTask:
    """A network that answers a sentence with a sentence; see `training.task.TrainingTask`."""

    postprocessing = None
    unused = NOT_FOR_SEQUENCES

    def __init__(self, model_name: str, dataset: Dataset, input_size: int | None = None) -> None:
        if model_name not in SEQUENCE_MODELS.names():
            MODELS.check(model_name)
            raise InputError(
                f"{model_name} answers with a class, the data set {dataset.name!r} is for "
                f"{dataset.task}",
                hint=f"networks for it: {', '.join(SEQUENCE_MODELS.names())}",
            )
        require("sacrebleu", "translate")  # now, and not when all has been trained
        self._name, self.dataset = model_name, dataset
        shape = network.input_shape(model_name, dataset, input_size)
        preprocessing = dataset.preprocessing(shape)
        if not isinstance(preprocessing, SubwordPreprocessing):
            raise InputError(
                f"{model_name} takes ids of subwords, {dataset.name!r} gives {preprocessing.kind}"
            )
        self.preprocessing: SubwordPreprocessing = preprocessing
        self.arguments: dict[str, Any] = {
            "input_shape": shape,
            "vocabulary_size": preprocessing.vocabulary_size,
        }
        self._length = int(shape[0])
        self._attention: tuple[Any, list[str], list[str]] | None = None

    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        return ()

    def build(self, *, seed: int, precision: str) -> keras.Model:
        keras = import_keras()
        if precision == "off":
            return models.build(self._name, seed=seed, **self.arguments)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(f"mixed_{precision}")
        try:
            return models.build(self._name, seed=seed, **self.arguments)
        finally:
            keras.config.set_dtype_policy(before)

    def fresh_layers(self, model: keras.Model) -> tuple[str, ...]:  # noqa: ARG002
        """None: a vocabulary is in all ends of the network."""
        return ()

    def prepare(self, config: TrainingConfig, *, seed: int, devices: int) -> None:
        self._config, self._seed, self._devices = config, seed, devices
        whole = self._sentences("train")
        self._train = whole.within(self._length)
        if len(self._train) < devices:
            raise InputError(
                f"{self.dataset.name}: none of {len(whole)} training pairs has fewer than "
                f"{self._length} subwords on both sides"
            )

    def started(self, model: keras.Model) -> None:
        """Nothing depends on the weights."""

    def steps(self) -> int:
        used = len(self._train) // self._devices * self._devices
        return -(-used // self._config.batch_size)

    def compile(self, model: keras.Model, *, epochs: int) -> None:
        optimizer = network.optimizer_for(
            model, self._config, epochs=epochs, steps_per_epoch=self.steps()
        )
        model.compile(
            optimizer,
            loss=_cross_entropy(self._config.label_smoothing),
            metrics=[_token_accuracy()],
            jit_compile=False,  # each length would be compiled
        )

    def training(self, model: keras.Model, *, epoch: int, first: int) -> Any:
        del model
        drop = _DROPPED[self._config.augment]
        return bucketed_batches(
            self._train,
            self._config.batch_size,
            seed=self._seed,
            devices=self._devices,
            epoch=epoch,
            first=first,
            augment=Words(drop) if drop else None,
        )

    def validation(self, model: keras.Model) -> Any:
        del model
        return ordered_batches(
            self._sentences("validation").cut(self._length),
            multiple_of(self._devices, _EVALUATION_BATCH),
            devices=self._devices,
        )

    def exported(self, model: keras.Model) -> keras.Model:
        bare = models.build(self._name, **self.arguments)
        bare.set_weights(model.get_weights())
        return bare

    def measure(self, bare: keras.Model) -> dict[str, float]:
        """BLEU and chrF (0 … 1) of greedy answers."""
        steps = KerasSteps(parts_of(bare))
        metrics: dict[str, float] = {}
        for name in ("validation", "test"):
            split = self.dataset[name]
            answers: list[Sequence[int]] = []
            for tensors, _ in split.tensors(self.preprocessing, _EVALUATION_BATCH):
                step = steps.start(tensors)
                answers += [each.ids for each in greedy(step, len(tensors), self._length - 1)]
            scorer = open_scorer(
                self.dataset.task, ScoringContext(split.ground_truth, (), self.preprocessing)
            )
            accuracy = scorer.accuracy([padded(answers, self._length)])
            metrics[scorer.trained_metric.replace("test", name)] = accuracy.value
            metrics[f"{name}_chrf"] = float(accuracy.further["chrf"])
        self._attention = self._looked_at(steps)
        return metrics

    def _looked_at(self, steps: KerasSteps) -> tuple[Any, list[str], list[str]]:
        """Attention over the first test sample: weights, subwords of the answer, of the source."""
        ids = self.preprocessing(self.dataset["test"].samples[0])
        (answer,) = greedy(steps.start(ids[None]), 1, self._length - 1)
        written = [*self.preprocessing.named(answer.ids), "</s>"][: len(steps.attention)]
        read = self.preprocessing.named(ids[ids != PADDING])
        return np.stack(steps.attention)[: len(written), 0, : len(read)], written, read

    def specs(self, bare: keras.Model) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        del bare
        shape = (None, self._length)
        return (
            (TensorSpec("source", shape, "int32", "NL"),),
            (TensorSpec("answer", shape, "int32", "NL"),),
        )

    def after_epoch(self, model: keras.Model, history: TrainingHistory, log: TrainingLog) -> None:
        """Answers to a few validation samples."""
        split = self.dataset["validation"]
        samples = [str(split.samples[index]) for index in range(min(SHOWN, len(split)))]
        answers = self._answers(model, samples)
        rows = zip(
            samples, [str(text) for text in split.ground_truth[:SHOWN]], answers, strict=True
        )
        log.samples(history.epochs, rows)

    def _answers(self, model: keras.Model, samples: Sequence[str]) -> list[str]:
        """Greedy, with the network as it is trained: the whole answer so far for each subword."""
        sources = self.preprocessing.batch(samples)
        targets = np.full((len(samples), self._length), PADDING, np.int32)
        targets[:, 0] = START
        for position in range(1, self._length):
            scores = np.asarray(model.predict_on_batch([sources, targets]))[:, position - 1]
            scores[:, : START + 1] = -np.inf
            targets[:, position] = scores.argmax(axis=-1)
        return [self.preprocessing.decode(row[1:]) for row in targets]

    def after_training(self, history: TrainingHistory, log: TrainingLog) -> None:
        log.curves(history)
        if self._attention is not None:
            log.attention(*self._attention)

    def _sentences(self, name: str) -> Sentences:
        split = self.dataset[name]
        return Sentences(
            self.preprocessing.encode_all(split.samples),
            self.preprocessing.encode_all([str(text) for text in split.ground_truth]),
        )


def _cross_entropy(smoothing: float) -> Any:
    """Mean over the subwords of a batch, padding aside; `smoothing` of the label spread over the
    whole vocabulary (Szegedy 2015), without a tensor of that size in memory.
    """
    keras = import_keras()
    ops = keras.ops

    def cross_entropy(wanted: Any, scores: Any) -> Any:
        scores = ops.cast(scores, "float32")
        wanted = ops.cast(wanted, "int32")
        is_token = ops.cast(ops.not_equal(wanted, PADDING), "float32")
        loss = keras.losses.sparse_categorical_crossentropy(wanted, scores, from_logits=True)
        if smoothing:
            even = ops.logsumexp(scores, axis=-1) - ops.mean(scores, axis=-1)
            loss = (1.0 - smoothing) * loss + smoothing * even
        return ops.sum(loss * is_token) / ops.maximum(ops.sum(is_token), 1.0)

    return cross_entropy


def _token_accuracy() -> Any:
    """The share of subwords, padding aside, whose score is the highest."""
    ops = import_keras().ops

    def accuracy(wanted: Any, scores: Any) -> Any:
        wanted = ops.cast(wanted, "int32")
        is_token = ops.cast(ops.not_equal(wanted, PADDING), "float32")
        right = ops.cast(ops.equal(ops.argmax(scores, axis=-1), wanted), "float32")
        return ops.sum(right * is_token) / ops.maximum(ops.sum(is_token), 1.0)

    return accuracy
