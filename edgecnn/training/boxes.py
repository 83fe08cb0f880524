"""Learning boxes: a detector of any classes, from annotated images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import models
from edgecnn.data.base import Dataset, Split
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.left_out import DataWarning
from edgecnn.data.sources.detection import BoxedPictures, BoxSplit
from edgecnn.errors import InputError
from edgecnn.evaluation.box_scorer import BoxScorer
from edgecnn.evaluation.tasks import Key
from edgecnn.keras_files import import_keras
from edgecnn.manifest import TensorSpec
from edgecnn.models.stop_sign import STRIDE
from edgecnn.postprocessing import Postprocessing
from edgecnn.registry import DETECTORS
from edgecnn.training import network
from edgecnn.training.box_augmentation import View
from edgecnn.training.checkpoint import Course
from edgecnn.training.detection_data import Mix, Photos, Pool
from edgecnn.training.detection_loss import detection_loss, targets
from edgecnn.training.logs import TrainingLog
from edgecnn.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    import keras

WINDOWS_SHARE = 0.6
"""Of the epochs: first windows of half the side, which cost a quarter, then whole frames."""
LEAST_VIEWS = 1600
"""Views of an epoch, of however few images: batch normalization needs hundreds of steps to know
the activations, and before that no validation means anything."""
NEGATIVES = 0.35
"""Images without a box are at most this share of the views."""
HELD_OUT_EVERY = 5
_EVALUATION_BATCH = 16


class BoxSubject:
    """A detector with one heat map a class; see `subject.Subject`."""

    def __init__(self, model_name: str, dataset: Dataset, input_size: int | None = None) -> None:
        if model_name not in DETECTORS.names() or not isinstance(dataset, BoxedPictures):
            raise InputError(
                f"{model_name} answers with classes, the data set {dataset.name!r} has boxes",
                hint=f"train a detector: --model {' or '.join(trainable())}",
            )
        if model_name not in trainable():
            raise InputError(
                f"{model_name} is trained by its own command, on stop signs alone",
                hint=f"--model {model_name.replace('stop_sign', 'detector')}",
            )
        self._name = model_name
        self.dataset = with_splits(dataset)
        self._classes = dataset.labels if dataset.asked else dataset.class_names
        numbers = {dataset.class_names.index(name): at for at, name in enumerate(self._classes)}
        self._files: Mapping[str, tuple[BoxedFile, ...]] = {
            name: tuple(file.renumbered(numbers) for file in split.every_class)
            for name, split in self.dataset.splits.items()
            if isinstance(split, BoxSplit)
        }
        _check(self.dataset.name, self._files, self._classes)
        default = models.default_input_shape(model_name)[0]
        side = default if input_size is None else input_size
        self.preprocessing = dataset.preprocessing((side, side, 3))
        self.arguments: Mapping[str, Any] = {
            "input_shape": (side, side, 3),
            "num_classes": len(self._classes),
        }
        self.postprocessing = Postprocessing("heat_map", class_names=self._classes)

    def build(self, *, seed: int, precision: str) -> keras.Model:
        """Of open size, and with both maps in one output, as the loss wants them."""
        if precision != "off":
            raise InputError("a detector is trained in float32", hint="--mixed-precision off")
        keras = import_keras()
        arguments = {**self.arguments, "input_shape": (None, None, 3)}
        open_network = models.build(self._name, seed=seed, **arguments)
        return keras.Model(
            open_network.input, keras.layers.Concatenate()(open_network.outputs), name=self._name
        )

    def prepare(self, recipe: TrainingRecipe, *, seed: int, devices: int) -> None:  # noqa: ARG002
        self._recipe, self._seed = recipe, seed
        self._epochs = recipe.epochs or recipe.most_epochs
        files = self._files["train"]
        positives = [file for file in files if len(file.boxes)]
        negatives = [file for file in files if not len(file.boxes) and not len(file.ignored)]
        share = min(NEGATIVES, len(negatives) / len(files))
        self._pool = Pool(Photos(positives), Photos(negatives), (), len(self._classes))
        self._mix = Mix(drawn=0.0, negatives=share)

    def steps(self) -> int:
        return math.ceil(max(len(self._files["train"]), LEAST_VIEWS) / self._recipe.batch_size)

    def compile(self, model: keras.Model, *, epochs: int) -> None:
        optimizer = network.optimizer_for(
            model, self._recipe, epochs=epochs, steps_per_epoch=self.steps()
        )
        model.compile(optimizer, loss=detection_loss, metrics=[_fit()])

    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        """Of the validation, accuracy is AP50: what early stopping looks at."""
        keras = import_keras()
        subject = self

        class Precision(keras.callbacks.Callback):  # type: ignore[misc,name-defined] # keras has no types
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                del epoch
                files = subject._files["validation"]
                outputs = subject._outputs(self.model, files)
                logs["val_accuracy"] = subject.scorer("validation").scores(outputs).ap50

        return (Precision(),)

    def training(self, model: keras.Model, *, epoch: int, first: int) -> Any:  # noqa: ARG002
        return _views(
            self._pool,
            self._mix,
            frame=self.preprocessing.height,
            windows=round(WINDOWS_SHARE * self._epochs),
            steps=self.steps(),
            batch_size=self._recipe.batch_size,
            seed=self._seed,
            epoch=epoch,
            first=first,
        )

    def validation(self, model: keras.Model) -> Any:  # noqa: ARG002
        return _frames(Photos(self._files["validation"]), self.preprocessing, len(self._classes))

    def exported(self, model: keras.Model) -> keras.Model:
        bare = models.build(self._name, **self.arguments)
        bare.set_weights(model.get_weights())
        return bare

    def measure(self, bare: keras.Model) -> dict[str, float]:
        """AP50 and AP50-95 over all classes."""
        found: dict[str, float] = {}
        for name in ("validation", "test"):
            files = self._files[name]
            if not any(len(file.boxes) for file in files):
                continue
            scores = self.scorer(name).scores(self._outputs(bare, files))
            found[f"{name}_ap50"] = scores.ap50
            found[f"{name}_ap50_95"] = scores.ap50_95
        return found

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

    def after_epoch(self, model: keras.Model, course: Course, log: TrainingLog) -> None:
        """Nothing beside the numbers."""

    def after_training(self, course: Course, log: TrainingLog) -> None:
        log.curves(course)

    def scorer(self, name: str) -> BoxScorer:
        """For the outputs of a split."""
        return BoxScorer(
            Key(
                self._files[name],
                self._classes,
                self.preprocessing,
                postprocessing=self.postprocessing,
                class_ids=tuple(range(len(self._classes))),
            )
        )

    def _outputs(self, model: keras.Model, files: Sequence[BoxedFile]) -> list[Any]:
        """[heat, box] for all images, of the network as it is trained or as it is exported."""
        parts = []
        for start in range(0, len(files), _EVALUATION_BATCH):
            images = [file.load().picture for file in files[start : start + _EVALUATION_BATCH]]
            found = model.predict_on_batch(self.preprocessing.batch(images))
            if not isinstance(found, list | tuple):
                found = np.split(found, [len(self._classes)], axis=-1)
            parts.append(found)
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def trainable() -> tuple[str, ...]:
    """Detectors of any classes."""
    return tuple(name for name in DETECTORS.names() if not name.startswith("stop_sign"))


def with_splits(dataset: BoxedPictures) -> BoxedPictures:
    """With splits "train", "validation" and "test": what is missing is held out of the rest in
    blocks of neighbors, since neighbors in a recording are nearly the same image.

    Without a test, validation is both, and the notes say so.
    """
    splits: dict[str, Split] = dict(dataset.splits)
    notes = list(dataset.notes)
    if "train" not in splits:
        if set(splits) != {"test"}:
            raise InputError(f"{dataset.name} has no split to learn from, only {', '.join(splits)}")
        splits["train"] = splits.pop("test")
        notes.append("the set has no splits: it is learned from")
    if "validation" not in splits:
        whole = splits["train"]
        assert isinstance(whole, BoxSplit)
        block = max(1, min(40, len(whole) // (2 * HELD_OUT_EVERY)))
        indices = [index for index in range(len(whole)) if (index // block) % HELD_OUT_EVERY == 2]
        splits["validation"] = _part(whole, indices)
        splits["train"] = _part(whole, sorted(set(range(len(whole))) - set(indices)))
        notes.append(f"every {HELD_OUT_EVERY}th block of {block} is held out for validation")
    if "test" not in splits:
        splits["test"] = splits["validation"]
        notes.append("there is no test: its figures are the validation's")
    order = ("train", "validation", "test")
    return replace(dataset, splits={name: splits[name] for name in order}, notes=tuple(notes))


def _part(split: BoxSplit, indices: Sequence[int]) -> BoxSplit:
    return replace(
        split,
        samples=_Chosen(split.samples, tuple(indices)),
        labels=split.labels[list(indices)],
        files=tuple(split.files[index] for index in indices),
        every_class=tuple(split.every_class[index] for index in indices),
    )


class _Chosen(Sequence[Any]):
    """Some samples of a split, read when they are needed."""

    def __init__(self, samples: Any, indices: tuple[int, ...]) -> None:
        self._samples, self._indices = samples, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Chosen(self._samples, self._indices[index])
        return self._samples[self._indices[index]]


def _check(name: str, files: Mapping[str, Sequence[BoxedFile]], classes: Sequence[str]) -> None:
    """What cannot be learned, or only in part, is said before training."""
    if not classes:
        raise InputError(f"{name} names no class")
    seen = {int(number) for file in files["train"] for number in file.class_ids}
    if not seen:
        raise InputError(f"{name}: no image of its split 'train' has a box of {', '.join(classes)}")
    if not any(len(file.boxes) for file in files["validation"]):
        raise InputError(f"{name}: no image of its split 'validation' has a box")
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

    from edgecnn.training.detection_loss import overlaps

    def accuracy(target: Any, outputs: Any) -> Any:
        classes = outputs.shape[-1] - 4
        positive = target[..., :classes]
        here = ops.sum(positive, axis=-1)
        _, iou = overlaps(target[..., 2 * classes :], outputs[..., classes:])
        right = ops.argmax(outputs[..., :classes], -1) == ops.argmax(positive, -1)
        hit = ops.cast(right, "float32") * ops.cast(iou >= 0.5, "float32") * here
        return ops.sum(hit) / ops.maximum(ops.sum(here), 1e-6)

    return accuracy


def _views(
    pool: Pool,
    mix: Mix,
    *,
    frame: int,
    windows: int,
    steps: int,
    batch_size: int,
    seed: int,
    epoch: int,
    first: int,
) -> Any:
    """Training batches: a function of (seed, epoch, batch) and nothing else.

    Until epoch `windows` they are windows of half the side, twice as many in a batch, then whole
    frames. See `batches.training_batches`.
    """
    import keras

    class Views(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        open_sizes = True

        def __init__(self) -> None:
            super().__init__()
            self._epoch, self._first = epoch, first

        def __len__(self) -> int:
            return steps - self._first

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            whole = self._epoch >= windows
            side = frame if whole else max(frame // 2 // 64, 1) * 64
            count = batch_size if whole else 2 * batch_size
            try:
                return pool.batch(
                    View(side, frame, whole=whole),
                    mix,
                    count,
                    [seed, self._epoch, index + self._first],
                )
            except InputError as error:
                self.error = error
                raise

        def next_epoch(self) -> None:
            self._epoch += 1
            self._first = 0

    return Views()


def _frames(photos: Photos, preprocessing: Any, classes: int) -> Any:
    """Whole validation images as they enter the network, with their targets."""
    import keras

    class Frames(keras.utils.PyDataset):  # type: ignore[misc] # keras has no types
        error: InputError | None = None
        open_sizes = True

        def __len__(self) -> int:
            return math.ceil(len(photos) / _EVALUATION_BATCH)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            start = index * _EVALUATION_BATCH
            try:
                samples = [
                    photos[at] for at in range(start, min(start + _EVALUATION_BATCH, len(photos)))
                ]
            except InputError as error:
                self.error = error
                raise
            wanted = []
            for sample in samples:
                place = preprocessing.place(*sample.picture.shape[:2])
                wanted.append(
                    targets(
                        place.to_tensor(sample.boxes),
                        place.to_tensor(sample.ignored),
                        preprocessing.height,
                        class_ids=sample.class_ids,
                        num_classes=classes,
                    )
                )
            images = preprocessing.batch([sample.picture for sample in samples])
            return images, np.stack(wanted)

    return Frames()
