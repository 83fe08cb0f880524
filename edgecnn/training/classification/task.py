"""Learning classes: a label a sample, and how often the best answer is the right one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset, Labels, Split
from edgecnn.data.left_out import DataWarning
from edgecnn.errors import InputError
from edgecnn.evaluation.classification import top1_accuracy
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import Preprocessing
from edgecnn.registry import DETECTORS, SEQUENCE_MODELS
from edgecnn.training import network
from edgecnn.training.augmentation import augmentation_for
from edgecnn.training.checkpoint import TrainingHistory
from edgecnn.training.classification.batches import Tensors, plain_batches, training_batches
from edgecnn.training.config import TrainingConfig, balanced_weights
from edgecnn.training.devices import multiple_of
from edgecnn.training.logs import TrainingLog

if TYPE_CHECKING:
    import keras

_EVALUATION_BATCH = 256


class ClassificationTask:
    """A classifier with one or several heads; see `training.task.TrainingTask`."""

    postprocessing = None

    def __init__(self, model_name: str, dataset: Dataset, input_size: int | None = None) -> None:
        if model_name in SEQUENCE_MODELS.names():
            raise InputError(
                f"{model_name} answers with sentences, the data set {dataset.name!r} has classes",
                hint="pass sentences with their translations: --data pairs:FILE.tsv",
            )
        if model_name in DETECTORS.names():
            raise InputError(
                f"{model_name} answers with boxes, the data set {dataset.name!r} has classes",
                hint="pass annotated images: --data coco:FOLDER, voc:FOLDER or yolo:FOLDER",
            )
        _check_data(dataset)
        self._name, self.dataset = model_name, dataset
        shape = network.input_shape(model_name, dataset, input_size)
        self.preprocessing: Preprocessing = dataset.preprocessing(shape)
        self.arguments = network.arguments_for(model_name, shape, dataset, self.preprocessing)
        self.unused = (
            *(() if dataset.modality == "image" else ("mirror",)),
            *(() if network.has_auxiliary_heads(model_name) else ("auxiliary_weight",)),
        )
        self._test: npt.NDArray[np.float32] | None = None

    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        return ()

    def build(self, *, seed: int, precision: str) -> keras.Model:
        return network.build(self._name, self.arguments, seed=seed, precision=precision)

    def fresh_layers(self, model: keras.Model) -> tuple[str, ...]:
        """Every layer behind which only the softmax, or nothing, is computed."""
        classes = len(self.dataset.labels)
        last = [layer for layer in model.layers if layer.weights][-len(model.outputs) :]
        return tuple(layer.name for layer in last if layer.output.shape[-1] == classes)

    def prepare(self, config: TrainingConfig, *, seed: int, devices: int) -> None:
        self._config, self._seed, self._devices = config, seed, devices
        self._tensors = Tensors(self.dataset["train"], self.preprocessing)

    def started(self, model: keras.Model) -> None:
        """Nothing depends on the weights."""

    def steps(self) -> int:
        used = len(self._tensors) // self._devices * self._devices
        return -(-used // self._config.batch_size)

    def compile(self, model: keras.Model, *, epochs: int) -> None:
        network.compile_for_training(
            model, self._config, epochs=epochs, steps_per_epoch=self.steps()
        )

    def training(self, model: keras.Model, *, epoch: int, first: int) -> Any:
        config = self._config
        weights = None
        if config.class_weights == "balanced":
            weights = balanced_weights(self.dataset["train"].labels, len(self.dataset.labels))
        return training_batches(
            self._tensors,
            config.batch_size,
            seed=self._seed,
            augment=augmentation_for(
                self.dataset.modality,
                config.augment,
                mirror=bool(config.mirror),
                preprocessing=self.preprocessing,
            ),
            class_weights=weights,
            heads=len(model.outputs),
            devices=self._devices,
            epoch=epoch,
            first=first,
        )

    def validation(self, model: keras.Model) -> Any:
        return plain_batches(
            Tensors(self.dataset["validation"], self.preprocessing),
            multiple_of(self._devices, _EVALUATION_BATCH),
            heads=len(model.outputs),
            devices=self._devices,
        )

    def exported(self, model: keras.Model) -> keras.Model:
        return network.exported(self._name, self.arguments, model)

    def measure(self, bare: keras.Model) -> dict[str, float]:
        """Accuracy and mean cross-entropy."""
        metrics: dict[str, float] = {}
        for name in ("validation", "test"):
            split = self.dataset[name]
            outputs = _outputs(bare, split, self.preprocessing)
            for metric, value in _metrics(outputs, split.labels).items():
                metrics[f"{name}_{metric}"] = value
            if name == "test":
                self._test = outputs
        return metrics

    def specs(self, bare: keras.Model) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        layout = self.preprocessing.layout
        return (
            (network.spec(bare.inputs[0].name, bare.inputs[0], layout),),
            (network.spec(bare.layers[-1].name, bare.outputs[0], "NC"),),
        )

    def after_epoch(self, model: keras.Model, history: TrainingHistory, log: TrainingLog) -> None:
        """Nothing besides the numbers."""

    def after_training(self, history: TrainingHistory, log: TrainingLog) -> None:
        assert self._test is not None
        log.curves(history)
        log.classes(self._test, self.dataset["test"].labels, self.dataset.labels)


def _outputs(
    model: keras.Model, split: Split, preprocessing: Preprocessing
) -> npt.NDArray[np.float32]:
    """Probabilities (n, classes) for a split, batch by batch."""
    return np.concatenate(
        [
            np.asarray(model.predict_on_batch(tensors))
            for tensors, _ in split.tensors(preprocessing, _EVALUATION_BATCH)
        ]
    )


def _metrics(outputs: npt.NDArray[np.float32], labels: Labels) -> dict[str, float]:
    """Accuracy and mean cross-entropy (nats)."""
    of_label = np.take_along_axis(outputs, labels[:, None], axis=1)
    return {
        "accuracy": top1_accuracy(outputs, labels).value,
        "loss": float(-np.log(np.maximum(of_label, 1e-7)).mean()),
    }


def _check_data(dataset: Dataset) -> None:
    """Data that cannot be learned from, or only in part, are reported before training."""
    classes = len(dataset.labels)
    for name in ("train", "validation", "test"):
        labels = dataset[name].labels
        if not len(labels):
            raise InputError(f"data set {dataset.name!r} has no sample in its split {name!r}")
        if labels.min() < 0 or labels.max() >= classes:
            raise InputError(
                f"labels of the split {name!r} run from {labels.min()} to {labels.max()}, "
                f"the data set has {classes} classes"
            )
    unseen = np.setdiff1d(
        np.concatenate([dataset[name].labels for name in ("validation", "test")]),
        dataset["train"].labels,
    )
    if len(unseen):
        named = ", ".join(repr(dataset.labels[label]) for label in unseen[:5])
        warnings.warn(
            f"{dataset.name}: {len(unseen)} of {classes} classes have no sample to learn from, "
            f"only to be tested with: {named}{', …' if len(unseen) > 5 else ''}",
            DataWarning,
            stacklevel=5,
        )
