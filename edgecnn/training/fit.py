"""Fit an architecture to a data set and leave a `.keras` file with its manifest."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import __version__, models
from edgecnn.data.base import Dataset, Split
from edgecnn.errors import InputError
from edgecnn.evaluation.classification import top1_accuracy
from edgecnn.files import atomic_path
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Artifact, Manifest, TensorSpec, sidecar_path, write_manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.training.batches import Tensors, plain_batches, training_batches
from edgecnn.training.callbacks import progress_callback

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 64
LEARNING_RATE = 2e-3
PATIENCE = 10
SHIFT_PIXELS = 1
_TARGET_STEPS = 8_000
_EPOCHS = (10, 30)
_EVALUATION_BATCH = 256


@dataclass(frozen=True)
class _Settings:
    """What decides the weights, beside the model and the data."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    optimizer: str = "adam"
    schedule: str = "cosine"
    shift_pixels: int = SHIFT_PIXELS


def default_epochs(samples: int, batch_size: int = BATCH_SIZE) -> int:
    """Enough epochs for about 8,000 steps, from 10 (MNIST) to 30 (digits, 600 steps)."""
    steps = -(-samples // batch_size)
    return int(np.clip(-(-_TARGET_STEPS // steps), *_EPOCHS))


def train(
    model_name: str,
    dataset: Dataset,
    *,
    out: Path | str,
    epochs: int | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = LEARNING_RATE,
    patience: int = PATIENCE,
    progress: Progress = silent,
) -> Artifact:
    """Train, evaluate on the test split, and write `out` (a `.keras` file) with its manifest.

    Adam with a learning rate that falls from `learning_rate` to 0 along a half cosine over
    `epochs` (by default chosen from the size of the data). Training stops when the validation
    loss has not improved for `patience` epochs; the weights of the best epoch are kept.
    Pictures are shifted by up to one pixel either way (MNIST, LeNet-5: 99.3% instead of 99.1%).

    The same seed gives the same weights on the same machine and versions: generators are
    seeded and TensorFlow's operations made deterministic, for the whole process.
    `progress` is called about a hundred times with batches done and to do.

    Files appear when everything is done: after Ctrl-C or an error `out` is as it was.

    Raises InputError for bad numbers, data that is not for classification, a model that does
    not fit it, a place that cannot be written, or training that diverged.
    """
    _check_numbers(epochs=epochs, batch_size=batch_size, patience=patience)
    if not 0 < learning_rate < float("inf"):
        raise InputError(f"the learning rate must be positive, received: {learning_rate}")
    out = Path(out)
    _check_place(out)
    if dataset.task != "classification":
        raise InputError(
            f"training is for classification, the data set {dataset.name!r} is for {dataset.task}"
        )
    epochs = epochs or default_epochs(len(dataset["train"]), batch_size)
    settings = _Settings(seed, epochs, batch_size, learning_rate, patience)
    progress("train", 0, 1, f"preparing {dataset.name}")
    height, width, _ = models.default_input_shape(model_name)
    input_shape = (height, width, _channels(dataset.sample_shape))
    preprocessing = dataset.preprocessing(input_shape)

    _make_deterministic()
    shapes: dict[str, Any] = {"input_shape": input_shape, "num_classes": len(dataset.labels)}
    model = models.build(model_name, seed=seed, **shapes)
    history = _fit(model, dataset, preprocessing, settings, progress)
    metrics = {
        f"{name}_{metric}": value
        for name in ("validation", "test")
        for metric, value in _evaluate(model, dataset[name], preprocessing).items()
    }
    if not np.isfinite(metrics["validation_loss"]):
        raise InputError(
            f"training diverged: the loss is no longer a number (learning rate {learning_rate})",
            hint="give a smaller learning rate",
        )
    manifest = Manifest(
        task=dataset.task,
        model=model_name,
        recipe="float32",
        inputs=(_spec(model.inputs[0].name, model.inputs[0], "NHWC"),),
        outputs=(_spec(model.layers[-1].name, model.outputs[0], "NC"),),
        preprocessing=preprocessing,
        labels=dataset.labels,
        metrics=metrics,
        data=dataset.record(),
        training={
            **asdict(settings),
            "epochs_run": len(history["loss"]),
            "parameters": model.count_params(),
            "history": history,
        },
        versions=_versions(),
    )
    # A model that never saw the optimizer: Adam's moments would triple the file.
    bare = models.build(model_name, **shapes)
    bare.set_weights(model.get_weights())
    return _save(bare, manifest, out)


def _fit(
    model: keras.Model,
    dataset: Dataset,
    preprocessing: Preprocessing,
    settings: _Settings,
    progress: Progress,
) -> dict[str, list[float]]:
    """Train in place; the history of loss, accuracy and their validation values, one an epoch."""
    keras = import_keras()
    batches = training_batches(
        Tensors(dataset["train"], preprocessing),
        settings.batch_size,
        seed=settings.seed,
        shift=settings.shift_pixels,
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, settings.epochs * len(batches)
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        batches,
        validation_data=plain_batches(
            Tensors(dataset["validation"], preprocessing), _EVALUATION_BATCH
        ),
        epochs=settings.epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=settings.patience, restore_best_weights=True
            ),
            progress_callback(progress, settings.epochs, len(batches)),
        ],
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _evaluate(model: keras.Model, split: Split, preprocessing: Preprocessing) -> dict[str, float]:
    """Accuracy and mean cross-entropy (nats) of a split, batch by batch."""
    outputs = np.concatenate(
        [
            np.asarray(model.predict_on_batch(tensors))
            for tensors, _ in split.tensors(preprocessing, _EVALUATION_BATCH)
        ]
    )
    of_label = np.take_along_axis(outputs, split.labels[:, None], axis=1)
    return {
        "accuracy": top1_accuracy(outputs, split.labels).value,
        "loss": float(-np.log(np.maximum(of_label, 1e-7)).mean()),
    }


def _save(model: keras.Model, manifest: Manifest, out: Path) -> Artifact:
    with atomic_path(out) as temporary:
        model.save(temporary)
        # A manifest speaks of one file's bytes: the old one must not lie beside the new file.
        sidecar_path(out).unlink(missing_ok=True)
    return write_manifest(out, manifest)


def _make_deterministic() -> None:
    """Same inputs, same sums: costs nothing measurable on a CPU (LeNet-5 on MNIST)."""
    keras = import_keras()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _check_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(f"{name.replace('_', ' ')} must be at least 1, received: {number}")


def _check_place(out: Path) -> None:
    """Find out before training, not after, that the file cannot be written."""
    if out.suffix != ".keras":
        raise InputError(f"a trained model is a .keras file, received: {out}")
    folder = out.parent
    while not folder.exists():
        folder = folder.parent
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {out}", hint="choose another --out")


def _channels(sample_shape: tuple[int, ...]) -> int:
    """1 for grey samples (height, width[, 1]), else 3."""
    return 1 if len(sample_shape) == 2 or sample_shape[2] == 1 else 3


def _spec(name: str, tensor: Any, layout: str) -> TensorSpec:
    return TensorSpec(name, tuple(tensor.shape), str(tensor.dtype), layout)


def _versions() -> Mapping[str, str]:
    keras = import_keras()
    backend: str = keras.backend.backend()
    return {
        "edgecnn": __version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: version(backend),
        "numpy": np.__version__,
    }
