"""Training tasks: batches, loss, figures and images by kind of output.

The trainer (`training.fit`) knows epochs, checkpoints and files; a subject knows what is learned.
There is one for classes (`training.classification`), one for boxes (`training.detection`) and one
for sequences (`training.sequences`).
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.manifest import TensorSpec
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import Preprocessing
from edgecnn.training.checkpoint import TrainingHistory
from edgecnn.training.config import TrainingConfig, config_for
from edgecnn.training.logs import TrainingLog

if TYPE_CHECKING:
    import keras

_SUBJECTS: Mapping[str, str] = {
    "classification": "edgecnn.training.classification.task:ClassificationTask",
    "detection": "edgecnn.training.detection.task:DetectionTask",
    "translation": "edgecnn.training.sequences.task:SequenceTask",
}


class TrainingTask(Protocol):
    """One network that learns one data set."""

    dataset: Dataset
    """With the splits that it learns from."""
    preprocessing: Preprocessing
    postprocessing: Postprocessing | None
    arguments: Mapping[str, Any]
    """What the network's build function is called with."""
    unused: Sequence[str]
    """Fields of the configuration that change nothing here."""

    def build(self, *, seed: int, precision: str) -> keras.Model:
        """The network with fresh weights, as it is trained."""

    def fresh_layers(self, model: keras.Model) -> tuple[str, ...]:
        """Names of the layers that may start fresh, or what they begin with: those whose shape
        depends on the classes, and those that this network did not always have.
        """

    def prepare(self, config: TrainingConfig, *, seed: int, devices: int) -> None:
        """Read the data as `config` wants them, on this many devices. Comes before all below."""

    def started(self, model: keras.Model) -> None:
        """Comes behind `compile`, where training starts from weights that were given and that the
        network has now.
        """

    def steps(self) -> int:
        """Batches in an epoch."""

    def compile(self, model: keras.Model, *, epochs: int) -> None:
        """Give the network optimizer, losses and a metric called accuracy."""

    def training(self, model: keras.Model, *, epoch: int, first: int) -> Any:
        """Batches that begin at batch `first` of `epoch`: a function of (seed, epoch, batch).

        `next_epoch()` moves to the next; `error` holds what reading a batch raised.
        """

    def validation(self, model: keras.Model) -> Any:
        """Batches of the validation split, always the same."""

    def callbacks(self) -> Sequence[keras.callbacks.Callback]:
        """What comes before the history's own callback; may add to the numbers of an epoch."""

    def exported(self, model: keras.Model) -> keras.Model:
        """The trained network without what training alone needs."""

    def measure(self, bare: keras.Model) -> dict[str, float]:
        """Figures of validation and test, for the manifest."""

    def specs(self, bare: keras.Model) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs, for the manifest."""

    def after_epoch(self, model: keras.Model, history: TrainingHistory, log: TrainingLog) -> None:
        """What the log shows of an epoch besides its numbers."""

    def after_training(self, history: TrainingHistory, log: TrainingLog) -> None:
        """Tables and images of the test, behind `measure`."""


def open_task(
    model_name: str,
    dataset: Dataset,
    input_size: int | None = None,
    cutouts: Dataset | None = None,
) -> TrainingTask:
    """What `model_name` learns from `dataset`, and a detector from `cutouts` as well.

    Raises InputError for data that are for another task than the network, and that cannot be
    learned from.
    """
    place = _SUBJECTS.get(dataset.task)
    if place is None:
        raise InputError(
            f"training is for {' and '.join(_SUBJECTS)}, the data set {dataset.name!r} is for "
            f"{dataset.task}"
        )
    if cutouts is not None and dataset.task != "detection":
        raise InputError(
            f"objects are cut out for detectors, the data set {dataset.name!r} is for "
            f"{dataset.task}",
            hint="leave out --cutouts",
        )
    module, _, name = place.partition(":")
    more = {} if cutouts is None else {"cutouts": cutouts}
    task: TrainingTask = getattr(importlib.import_module(module), name)(
        model_name, dataset, input_size, **more
    )
    return task


def check_config(
    task: TrainingTask, model_name: str, config: TrainingConfig, named: Collection[str]
) -> None:
    """Raise InputError for a setting that `task` makes no use of.

    The network's own value may stand there, and that of a configuration with nothing chosen where
    the field was not `named`.
    """
    own, plain = config_for(model_name), TrainingConfig()
    changed = []
    for name in task.unused:
        value = getattr(config, name)
        if value != getattr(own, name) and (name in named or value != getattr(plain, name)):
            changed.append(name)
    if changed:
        raise InputError(
            f"the training of {model_name} on {task.dataset.name} makes no use of "
            f"{', '.join(changed)}",
            hint=f"leave out {', '.join('--' + name.replace('_', '-') for name in changed)}",
        )
