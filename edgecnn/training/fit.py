"""Fit an architecture to a data set and leave a `.keras` file with its manifest."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.data.base import Dataset, refuse_prepared_data
from edgecnn.data.sources.detection import DetectionDataset
from edgecnn.data.splitting.held_out import exclude_evaluation_images
from edgecnn.data.splitting.training_overlap import KEY, training_record
from edgecnn.deprecation import old_arguments
from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Artifact, Manifest, sidecar_path, write_manifest
from edgecnn.progress import Progress, silent
from edgecnn.system.opencv_threads import opencv_in_one_thread
from edgecnn.training import network
from edgecnn.training.augmentation import mirrored_by_default
from edgecnn.training.averaging import averaging_callbacks
from edgecnn.training.callbacks import (
    Checkpointer,
    epochs_callback,
    history_callback,
    progress_callback,
    restore,
)
from edgecnn.training.checkpoint import Arrays, TrainingHistory
from edgecnn.training.config import (
    DetectorTrainingConfig,
    TrainingConfig,
    config_for,
    default_epochs,
)
from edgecnn.training.devices import multiple_of, together, training_devices
from edgecnn.training.epochs import run_epochs
from edgecnn.training.logs import TrainingLog
from edgecnn.training.start import Start, read_start
from edgecnn.training.task import TrainingTask, check_config, open_task
from edgecnn.version import __version__

if TYPE_CHECKING:
    import keras

CHECKPOINT = "checkpoint.npz"
OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Called with how many epochs are done, and the numbers of the last."""


@old_arguments(recipe="config")
def train(
    model_name: str,
    dataset: Dataset,
    *,
    out: Path | str,
    epochs: int | None = None,
    seed: int = 0,
    config: TrainingConfig | None = None,
    input_size: int | None = None,
    folder: Path | str | None = None,
    restart: bool = False,
    weights: Path | str | None = None,
    cutouts: Dataset | None = None,
    network_options: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch | None = None,
    progress: Progress = silent,
    **changes: Any,
) -> Artifact:
    """Train, evaluate on the test split, and write `out` (a `.keras` file) with its manifest.

    How it is trained is the network's own configuration (edgecnn.training.config), or `config`,
    with `changes` to its fields: `train("resnet8", data, out=…, batch_size=64, augment="strong")`.
    `epochs` not given or None are the configuration's, which may choose them from the size of the
    data. `input_size` is the side of images where the network's default is not wanted.

    With a `folder`, a checkpoint is kept there while the training runs: after a kill the same call
    resumes from it and ends with the same weights. It is removed at the end; `log.csv`,
    TensorBoard's events and images stay. `restart` starts over.

    `weights` are those to start from: a `.keras` file of the same network, or the name of a
    detector that ships. Layers for other classes than it has start fresh. `cutouts` are more
    annotated images for a detector, which are not looked at whole: their objects are cut out and
    pasted (see `config.DetectorTrainingConfig.pasted`), and those without an object are negatives.

    `network_options` are further arguments of the network's build function (`width=0.5`), and are
    recorded in the manifest. `on_epoch` is called behind each epoch with how many are done and
    its numbers (loss, accuracy, val_loss, val_accuracy, learning_rate, seconds); what it raises
    ends the training, and no file is written.

    The same seed gives the same weights on the same machine and versions: generators are
    seeded and TensorFlow's operations made deterministic, for the whole process.
    `progress` is called about a hundred times with batches done and to do.

    The model's files appear when everything is done: until then, and after Ctrl-C or an error,
    `out` is as it was.

    Raises InputError for bad numbers, data of a task that nothing is trained for, a model that
    does not fit it, settings that this training makes no use of, weights of another network or
    vocabulary, a place that cannot be written, a checkpoint of another training, or training that
    diverged.
    """
    refuse_prepared_data(dataset, "training")
    overrides: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    config = (
        config_for(model_name, **overrides, **changes)
        if config is None
        else replace(config, **overrides, **changes)
    )
    out = Path(out)
    _check_place(out)
    start = None if weights is None else read_start(weights)
    if start is None and isinstance(config, DetectorTrainingConfig) and config.hard:
        raise InputError(
            "hard images are those that the weights to start from get wrong, and none are given",
            hint="--weights FILE.keras, or leave out --hard",
        )
    if isinstance(cutouts, DetectionDataset) and isinstance(dataset, DetectionDataset):
        cutouts = exclude_evaluation_images(cutouts, dataset)
    task = open_task(model_name, dataset, input_size, cutouts)
    check_config(task, model_name, config, changes)
    if start is not None:
        start.check_vocabulary(task.preprocessing)
    task.arguments = {**task.arguments, **(network_options or {})}
    plan = replace(
        _planned(model_name, task, config, seed),
        start=start,
        cutouts=cutouts,
        network_options=dict(network_options or {}),
    )
    checkpointer = None if folder is None else _checkpointer(Path(folder), plan, restart=restart)
    progress("train", 0, 1, f"preparing {plan.task.dataset.name}")

    _make_deterministic()
    log = None if folder is None else TrainingLog(Path(folder))
    with together(plan.devices), opencv_in_one_thread():
        model = plan.task.build(seed=seed, precision=plan.precision)
        fresh = () if start is None else start.give(model, fresh=plan.task.fresh_layers(model))
        history = _fit(
            model,
            plan,
            checkpointer=checkpointer,
            log=log,
            progress=progress,
            on_epoch=on_epoch,
        )
    bare = plan.task.exported(model)
    manifest = _manifest(bare, plan, history, fresh)
    if log is not None:
        plan.task.after_training(history, log)
    artifact = _save(bare, manifest, out)
    if checkpointer is not None:
        checkpointer.remove()
    return artifact


@dataclass(frozen=True)
class _Plan:
    """What is trained and how, with nothing left open."""

    model_name: str
    task: TrainingTask
    config: TrainingConfig
    seed: int
    devices: tuple[str, ...]
    precision: str
    start: Start | None = None
    """The weights to start from; None for fresh ones."""
    cutouts: Dataset | None = None
    network_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the weights, as JSON gives it back."""
        return {
            "model": self.model_name,
            "data": self.task.dataset.sha256,
            "seed": self.seed,
            "devices": list(self.devices),
            **{name: _plain(value) for name, value in self.task.arguments.items()},
            **asdict(self.config),
            **({} if self.start is None else {"weights": self.start.sha256}),
            **({} if self.cutouts is None else {"cutouts": self.cutouts.sha256}),
        }


def _planned(model_name: str, task: TrainingTask, config: TrainingConfig, seed: int) -> _Plan:
    """Fill in what the configuration leaves to the data and to the machine."""
    dataset = task.dataset
    samples = len(dataset["train"])
    devices = training_devices(min(samples, len(dataset["validation"])))
    config = replace(config, batch_size=multiple_of(len(devices), config.batch_size))
    precision = network.resolved_precision(config.mixed_precision)
    config = replace(
        config,
        epochs=config.epochs or default_epochs(samples, config.batch_size, config.most_epochs),
        mirror=mirrored_by_default(dataset.name) if config.mirror is None else config.mirror,
        mixed_precision=precision,
    )
    return _Plan(model_name, task, config, seed, tuple(devices), precision)


def _checkpointer(folder: Path, plan: _Plan, *, restart: bool) -> Checkpointer:
    """Raises InputError for a checkpoint of another training, before anything else is done."""
    checkpointer = Checkpointer(folder / CHECKPOINT, plan.settings)
    if restart:
        checkpointer.remove()
    checkpointer.read()
    return checkpointer


def _manifest(
    bare: keras.Model, plan: _Plan, history: TrainingHistory, fresh: tuple[str, ...]
) -> Manifest:
    """What the trained model is, how it was trained, and what it reaches on the test split.

    `fresh` are the layers that did not get the weights to start from.
    """
    task, dataset = plan.task, plan.task.dataset
    start, cutouts, after = plan.start, plan.cutouts, task.postprocessing
    metrics = task.measure(bare)
    inputs, outputs = task.specs(bare)
    return Manifest(
        task=dataset.task,
        model=plan.model_name,
        recipe="float32",
        inputs=inputs,
        outputs=outputs,
        preprocessing=task.preprocessing,
        postprocessing=task.postprocessing,
        labels=(after.class_names if after else ()) or dataset.labels,
        metrics=metrics,
        data={
            **dataset.record(),
            KEY: training_record(dataset, cutouts, before=None if start is None else start.data),
        },
        training={
            "seed": plan.seed,
            "devices": list(plan.devices),
            **({"network_options": dict(plan.network_options)} if plan.network_options else {}),
            **asdict(plan.config),
            **({} if start is None else start.record(fresh)),
            **({} if cutouts is None else {"cutouts": cutouts.record()}),
            "epochs_run": history.epochs,
            "best_epoch": history.best_epoch + 1,
            "seconds": round(history.seconds, 1),
            "parameters": bare.count_params(),
            "history": history.numbers,
        },
        versions=_versions(),
    )


def _fit(
    model: keras.Model,
    plan: _Plan,
    *,
    checkpointer: Checkpointer | None,
    log: TrainingLog | None,
    progress: Progress,
    on_epoch: OnEpoch | None,
) -> TrainingHistory:
    """Train in place, from the checkpoint where there is one, to the best epoch's weights."""
    task, config = plan.task, plan.config
    assert config.epochs is not None
    task.prepare(config, seed=plan.seed, devices=len(plan.devices))
    steps = task.steps()
    task.compile(model, epochs=config.epochs)
    if plan.start is not None:
        task.started(model)
    validation = task.validation(model)
    if len(plan.devices) == 1:
        network.make_means(model, validation[0])
    history = TrainingHistory(f"val_{config.monitor}")
    epoch, batch = 0, 0
    means: Arrays = ()

    checkpoint = None if checkpointer is None else checkpointer.read()
    if checkpoint is not None:
        restore(checkpoint, model)
        history, epoch, batch = checkpoint.history, checkpoint.epoch, checkpoint.batch
        means = checkpoint.metrics
        model.test_on_batch(*validation[0])  # makes the means' variables
    while epoch < config.epochs and not history.stale(config.patience):
        # The rest of an epoch that was cut off is a fit of its own: Keras knows whole ones only.
        last = epoch + 1 if batch else config.epochs
        batches = task.training(model, epoch=epoch, first=batch)
        judging = [
            *task.callbacks(),
            history_callback(
                history,
                patience=config.patience,
                learning_rate=config.learning_rate,
                after_epoch=partial(_after_epoch, plan.task, model, log, on_epoch),
            ),
        ]
        if config.average:
            before, behind = averaging_callbacks()
            judging = [before, *judging, behind]
        callbacks = [
            *judging,
            progress_callback(progress, config.epochs, steps, done=epoch * steps + batch),
            epochs_callback(batches),
        ]
        if checkpointer is not None:
            callbacks.insert(-2, checkpointer.callback(history, steps, first=batch, metrics=means))
        run_epochs(model, batches, validation, callbacks, epoch=epoch, last=last)
        if model.stop_training:
            break
        epoch, batch, means = last, 0, ()
    model.set_weights(history.best_weights)
    return history


def _after_epoch(
    task: TrainingTask,
    model: keras.Model,
    log: TrainingLog | None,
    on_epoch: OnEpoch | None,
    history: TrainingHistory,
) -> None:
    if log is not None:
        log.after_epoch(history)
        task.after_epoch(model, history, log)
    if on_epoch is not None:
        on_epoch(history.epochs, {name: each[-1] for name, each in history.numbers.items()})


def _save(model: keras.Model, manifest: Manifest, out: Path) -> Artifact:
    with atomic_path(out) as temporary:
        model.save(temporary)
        # A manifest speaks of one file's bytes: the old one must not lie next to the new file.
        sidecar_path(out).unlink(missing_ok=True)
    return write_manifest(out, manifest)


def _make_deterministic() -> None:
    """Same inputs, same sums: costs nothing measurable on a CPU (LeNet-5 on MNIST)."""
    keras = import_keras()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _check_place(out: Path) -> None:
    """Find out before training, not after, that the file cannot be written."""
    if out.suffix != ".keras":
        raise InputError(f"a trained model is a .keras file, received: {out}")
    folder = out.parent
    while not folder.exists():
        folder = folder.parent
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {out}", hint="choose another --out")


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


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
