"""Learning boxes: a detector of any classes, from annotated images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import models
from edgecnn.class_names import place_of
from edgecnn.data.base import Dataset, Split
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.boxes.classes import numbers_in
from edgecnn.data.left_out import DataWarning
from edgecnn.data.sources.detection import BoxSplit, DetectionDataset
from edgecnn.data.splitting.held_out import complete_splits
from edgecnn.errors import InputError
from edgecnn.evaluation.box_scorer import BoxScorer
from edgecnn.evaluation.tasks import ScoringContext
from edgecnn.keras_files import import_keras
from edgecnn.manifest import TensorSpec
from edgecnn.models.stop_sign import DEEPER, STRIDE, check_input
from edgecnn.postprocessing import Postprocessing
from edgecnn.registry import DETECTORS
from edgecnn.training import network
from edgecnn.training.checkpoint import TrainingHistory
from edgecnn.training.config import NOT_FOR_DETECTORS, DetectorTrainingConfig, TrainingConfig
from edgecnn.training.detection.batches import training_views, whole_frames
from edgecnn.training.detection.cutouts import Cutout
from edgecnn.training.detection.data import (
    FullSizeImages,
    Photos,
    SamplingShares,
    TrainingImages,
    all_cutouts,
    best_scores,
    drawn_scenes,
    hardest,
)
from edgecnn.training.detection.loss import detection_loss
from edgecnn.training.logs import TrainingLog

if TYPE_CHECKING:
    import keras

LEAST_VIEWS = 1600
"""Views of an epoch, of however few images: batch normalization needs hundreds of steps to know
the activations, and before that no validation means anything."""
STOP_SIGNS = "stop_sign"
"""What the names of networks for stop signs alone begin with."""
STOP_SIGN = "stop sign"
"""The class that they find."""


class DetectionTask:
    """A detector with one heat map a class; see `training.task.TrainingTask`."""

    unused = NOT_FOR_DETECTORS

    def __init__(
        self,
        model_name: str,
        dataset: Dataset,
        input_size: int | None = None,
        cutouts: Dataset | None = None,
    ) -> None:
        if model_name not in DETECTORS.names() or not isinstance(dataset, DetectionDataset):
            raise InputError(
                f"{model_name} answers with classes, the data set {dataset.name!r} has boxes",
                hint=f"train a detector: --model {' or '.join(DETECTORS.names())}",
            )
        self._name = model_name
        self._stop_signs = model_name.startswith(STOP_SIGNS)
        self.dataset = complete_splits(dataset)
        self._classes = dataset.labels if dataset.asked else dataset.class_names
        if self._stop_signs:
            self._classes = dataset.labels
            if len(dataset.labels) != 1:
                raise InputError(
                    f"{model_name} finds stop signs alone, {dataset.name} has the classes "
                    f"{', '.join(dataset.labels[:5]) or 'none'}",
                    hint=f"--model {model_name.replace(STOP_SIGNS, 'detector')}",
                )
            if place_of(STOP_SIGN, dataset.labels) is None:
                raise InputError(
                    f"{model_name} finds stop signs, the class of {dataset.name} is "
                    f"{dataset.labels[0]!r}",
                    hint=f"--model {model_name.replace(STOP_SIGNS, 'detector')}, or call the class "
                    f"{STOP_SIGN!r}",
                )
        self._files: dict[str, tuple[BoxedFile, ...]] = {}
        for name, split in self.dataset.splits.items():
            same = [one for one in self._files if self.dataset.splits[one] is split]
            files = self._files[same[0]] if same else self._renumbered(self.dataset, split)
            self._files[name] = files
        self._cutouts = () if cutouts is None else self._all_of(cutouts)
        check(self.dataset.name, self._files, self._classes)
        default = models.default_input_shape(model_name)[0]
        side = default if input_size is None else input_size
        if model_name in DETECTORS.builtin:
            check_input(model_name, (side, side, 3))
        self.preprocessing = dataset.preprocessing((side, side, 3))
        classes = {} if self._stop_signs else {"num_classes": len(self._classes)}
        self.arguments: Mapping[str, Any] = {"input_shape": (side, side, 3), **classes}
        self.postprocessing = Postprocessing("heat_map", class_names=self._classes)
        self._frames: dict[str, Any] = {}

    def _renumbered(self, dataset: DetectionDataset, split: Split) -> tuple[BoxedFile, ...]:
        """The files of a split with the boxes of our classes, under our numbers."""
        assert isinstance(split, BoxSplit)
        numbers = numbers_in(dataset.class_names, self._classes)
        return tuple(file.renumbered(numbers) for file in split.every_class)

    def _all_of(self, cutouts: Dataset) -> tuple[BoxedFile, ...]:
        if not isinstance(cutouts, DetectionDataset):
            raise InputError(
                f"objects are cut out of annotated images, {cutouts.name!r} has no boxes",
                hint="--cutouts coco:FOLDER, voc:FOLDER or yolo:FOLDER",
            )
        files = tuple(
            file for split in cutouts.splits.values() for file in self._renumbered(cutouts, split)
        )
        if not any(len(file.boxes) for file in files):
            raise InputError(
                f"{cutouts.name} has no box of {', '.join(self._classes)} to cut out",
                hint="pass images with the classes that are trained",
            )
        return files

    def build(self, *, seed: int, precision: str) -> keras.Model:
        """Of open size, and with both maps in one output, as the loss wants them. The maps and
        the loss are float32 whatever the layers before them compute in.
        """
        keras = import_keras()
        arguments = {**self.arguments, "input_shape": (None, None, 3)}
        open_network = models.build(self._name, seed=seed, **arguments)
        if precision != "off":
            open_network = network.in_precision(open_network, precision)
        return keras.Model(
            open_network.input, keras.layers.Concatenate()(open_network.outputs), name=self._name
        )

    def fresh_layers(self, model: keras.Model) -> tuple[str, ...]:  # noqa: ARG002
        return ("heat", *DEEPER)

    def prepare(self, config: TrainingConfig, *, seed: int, devices: int) -> None:  # noqa: ARG002
        if not isinstance(config, DetectorTrainingConfig):
            config = DetectorTrainingConfig(**asdict(config))
        self._config, self._seed = config, seed
        self._epochs = config.epochs or config.most_epochs
        if config.drawn and not self._stop_signs:
            raise InputError(
                f"drawn scenes hold stop signs, {self._name} finds {', '.join(self._classes[:3])}",
                hint="leave out --drawn",
            )
        train = self._files["train"]
        positives = [file for file in train if len(file.boxes)]
        bare = [file for file in (*train, *self._cutouts) if file.without_objects]
        negatives = Photos(bare)
        share = min(config.negatives, len(bare) / (len(positives) + len(bare)))
        if config.hard and not share:
            raise InputError(
                f"hard images are among those without an object, and of {self.dataset.name} no "
                "such image is shown",
                hint="leave out --hard, or give such images and --negatives above 0",
            )
        self._pool = TrainingImages(
            Photos(positives),
            negatives,
            drawn_scenes(seed, negatives, config.small) if config.drawn else (),
            len(self._classes),
            self._cut(positives) if config.pasted else (),
        )
        self._mix = SamplingShares(config.drawn, share, config.hard, config.pasted, config.close)

    def _cut(self, positives: Sequence[BoxedFile]) -> Sequence[Cutout]:
        sources = [*positives, *(file for file in self._cutouts if len(file.boxes))]
        cutouts = all_cutouts(sources, octagonal=self._stop_signs)
        if not cutouts:
            warnings.warn(
                f"{self.dataset.name}: no object is large enough to be cut out and pasted",
                DataWarning,
                stacklevel=2,
            )
        return cutouts

    def started(self, model: keras.Model) -> None:
        """The starting weights say which images without an object are hard."""
        negatives = self._pool.negatives
        if self._config.hard and negatives:
            scores = best_scores(model, negatives, self.preprocessing)
            self._pool = replace(self._pool, hard=hardest(scores))

    def steps(self) -> int:
        views = self._config.views or max(len(self._files["train"]), LEAST_VIEWS)
        return math.ceil(views / self._config.batch_size)

    def compile(self, model: keras.Model, *, epochs: int) -> None:
        optimizer = network.optimizer_for(
            model, self._config, epochs=epochs, steps_per_epoch=self.steps()
        )
        model.compile(optimizer, loss=detection_loss, metrics=[_fit()])

    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        """Of the validation, accuracy is AP50: what early stopping looks at."""
        keras = import_keras()
        task = self

        class Precision(keras.callbacks.Callback):  # type: ignore[misc,name-defined] # keras has no types
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                del epoch
                outputs = task._outputs(self.model, "validation")
                logs["val_accuracy"] = task.scorer("validation").scores(outputs).ap50

        return (Precision(),)

    def training(self, model: keras.Model, *, epoch: int, first: int) -> Any:  # noqa: ARG002
        return training_views(
            self._pool,
            self._mix,
            frame=self.preprocessing.height,
            windows=round(self._config.windows * self._epochs),
            small=self._config.small,
            steps=self.steps(),
            batch_size=self._config.batch_size,
            seed=self._seed,
            epoch=epoch,
            first=first,
        )

    def validation(self, model: keras.Model) -> Any:  # noqa: ARG002
        return self._whole("validation")

    def _whole(self, name: str) -> Any:
        """The images of a split as they enter the network; of equal splits the same ones."""
        files = self._files[name]
        for other, frames in self._frames.items():
            if self._files[other] is files or other == name:
                return frames
        self._frames[name] = whole_frames(
            FullSizeImages(files), self.preprocessing, len(self._classes)
        )
        return self._frames[name]

    def exported(self, model: keras.Model) -> keras.Model:
        bare = models.build(self._name, **self.arguments)
        bare.set_weights(model.get_weights())
        return bare

    def measure(self, bare: keras.Model) -> dict[str, float]:
        """AP50 and AP50-95 over all classes."""
        metrics: dict[str, float] = {}
        for name in ("validation", "test"):
            files = self._files[name]
            if not any(len(file.boxes) for file in files):
                continue
            scores = self.scorer(name).scores(self._outputs(bare, name))
            metrics[f"{name}_ap50"] = scores.ap50
            metrics[f"{name}_ap50_95"] = scores.ap50_95
        return metrics

    def specs(self, bare: keras.Model) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        cells = self.preprocessing.height // STRIDE
        maps = (("heat", len(self._classes)), ("box", 4))
        return (
            (network.spec(bare.inputs[0].name, bare.inputs[0], "NHWC"),),
            tuple(
                TensorSpec(name, (None, cells, cells, channels), "float32", "NHWC")
                for name, channels in maps
            ),
        )

    def after_epoch(self, model: keras.Model, history: TrainingHistory, log: TrainingLog) -> None:
        """Nothing besides the numbers."""

    def after_training(self, history: TrainingHistory, log: TrainingLog) -> None:
        log.curves(history)

    def scorer(self, name: str) -> BoxScorer:
        """For the outputs of a split."""
        return BoxScorer(
            ScoringContext(
                self._files[name],
                self._classes,
                self.preprocessing,
                postprocessing=self.postprocessing,
                class_ids=tuple(range(len(self._classes))),
            )
        )

    def _outputs(self, model: keras.Model, name: str) -> list[Any]:
        """[heat, box] for all images of a split, of the network as it is trained or exported."""
        parts = []
        frames = self._whole(name)
        for index in range(len(frames)):
            outputs = model.predict_on_batch(frames[index][0])
            if not isinstance(outputs, list | tuple):
                outputs = np.split(outputs, [len(self._classes)], axis=-1)
            parts.append(outputs)
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def check(name: str, files: Mapping[str, Sequence[BoxedFile]], classes: Sequence[str]) -> None:
    """What cannot be learned, or only in part, is said before training."""
    if not classes:
        raise InputError(f"{name} names no class")
    seen = {int(number) for file in files["train"] for number in file.class_ids}
    if not seen:
        raise InputError(f"{name}: no image of its split 'train' has a box of {', '.join(classes)}")
    if not any(len(file.boxes) for file in files["validation"]):
        raise InputError(
            f"{name}: no image of its split 'validation' has a box",
            hint="give more images, or a split 'valid' with boxes",
        )
    unseen = [label for number, label in enumerate(classes) if number not in seen]
    if unseen:
        more = ", …" if len(unseen) > 5 else ""
        warnings.warn(
            f"{name}: {len(unseen)} of {len(classes)} classes have no box to learn from: "
            f"{', '.join(map(repr, unseen[:5]))}{more}",
            DataWarning,
            stacklevel=5,
        )


def _fit() -> Any:
    """The metric `accuracy`: of the cells in the middle of objects, the share that answers with
    the right class and a box that overlaps the object by half.
    """
    from keras import ops

    from edgecnn.training.detection.loss import overlaps

    def accuracy(target: Any, outputs: Any) -> Any:
        classes = outputs.shape[-1] - 4
        positive = target[..., :classes]
        here = ops.sum(positive, axis=-1)
        _, iou = overlaps(target[..., 2 * classes :], outputs[..., classes:])
        right = ops.argmax(outputs[..., :classes], -1) == ops.argmax(positive, -1)
        hit = ops.cast(right, "float32") * ops.cast(iou >= 0.5, "float32") * here
        return ops.sum(hit) / ops.maximum(ops.sum(here), 1e-6)

    return accuracy
