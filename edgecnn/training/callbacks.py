"""Keras callbacks: metrics, checkpoints, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.progress import Progress
from edgecnn.training.checkpoint import Arrays, Checkpoint, TrainingHistory

if TYPE_CHECKING:
    import keras

_CALLS = 100
CHECKPOINT_SECS = 120.0
"""Inside long epochs a checkpoint is written this often."""
_COST = 20
"""Epochs that take less than 20 times as long as writing a checkpoint share one."""


def history_callback(
    history: TrainingHistory,
    *,
    patience: int | None,
    learning_rate: float,
    after_epoch: Callable[[TrainingHistory], None] | None = None,
) -> keras.callbacks.Callback:
    """Keep the history's numbers and its best weights; stop when it no longer improves.

    Raises InputError when a loss is no longer a number.
    """
    import keras

    class Follow(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            self._began = time.monotonic() - history.open_seconds

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            del batch
            self._check(logs or {}, "loss")
            history.open_seconds = time.monotonic() - self._began

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            del epoch
            logs = logs or {}
            self._check(logs, "val_loss")
            values = {
                "loss": float(logs["loss"]),
                "accuracy": _accuracy(logs, validation=False),
                "val_loss": float(logs["val_loss"]),
                "val_accuracy": _accuracy(logs, validation=True),
            }
            values["learning_rate"] = float(np.asarray(self.model.optimizer.learning_rate))
            values["seconds"] = time.monotonic() - self._began
            history.seconds += values["seconds"]
            history.open_seconds = 0.0
            if history.add(values):
                history.best_weights = self.model.get_weights()
            if after_epoch is not None:
                after_epoch(history)
            if history.stale(patience):
                self.model.stop_training = True

        def _check(self, logs: Mapping[str, Any], name: str) -> None:
            if not math.isfinite(float(logs.get(name, 0.0))):
                raise InputError(
                    f"training diverged in epoch {history.epochs + 1}: the loss is no longer a "
                    f"number (learning rate {learning_rate})",
                    hint="give a smaller learning rate",
                )

    return Follow()


class Checkpointer:
    """Reads and writes the checkpoint of one training."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = settings

    def read(self) -> Checkpoint | None:
        """The checkpoint to resume from; None without one. Raises InputError for a checkpoint of
        another training.
        """
        if not self.path.exists():
            return None
        checkpoint = Checkpoint.read(self.path)
        checkpoint.check(self._settings, self.path)
        return checkpoint

    def remove(self) -> None:
        """Remove it: the training is done, or starts over."""
        self.path.unlink(missing_ok=True)

    def callback(
        self, history: TrainingHistory, steps: int, *, first: int = 0, metrics: Arrays = ()
    ) -> keras.callbacks.Callback:
        """Write after epochs, and inside long ones. To be listed behind `history_callback`.

        `steps` are the batches of a whole epoch. `first` and `metrics` are those of the checkpoint
        that the first epoch resumes from. Behind the last batch nothing is written: the epoch's
        end follows, and what it counts is not known yet.
        """
        import keras

        checkpointer = self

        class Write(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
            def __init__(self) -> None:
                super().__init__()
                self._first, self._metrics = first, metrics
                self._epoch = 0
                self._written, self._took = time.monotonic(), 0.0

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                del logs
                self._epoch = epoch
                if self._metrics:
                    _assign(self.model.metrics_variables, self._metrics)
                    self._metrics = ()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                del logs
                done = self._first + batch + 1
                if done < steps and time.monotonic() - self._written > CHECKPOINT_SECS:
                    self._write(self._epoch, done)

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                del logs
                self._first = 0
                stopping = self.model.stop_training
                if stopping or time.monotonic() - self._written > _COST * self._took:
                    self._write(epoch + 1, 0)

            def _write(self, epoch: int, batch: int) -> None:
                began = time.monotonic()
                checkpointer.write(self.model, epoch, batch, history)
                self._written = time.monotonic()
                self._took = self._written - began

        return Write()

    def write(self, model: keras.Model, epoch: int, batch: int, history: TrainingHistory) -> None:
        """Write what `restore` needs."""
        Checkpoint(
            self._settings,
            epoch,
            batch,
            history,
            _values(model.variables),
            _values(model.optimizer.variables),
            _values(model.metrics_variables) if batch else (),
        ).write(self.path)


def restore(checkpoint: Checkpoint, model: keras.Model) -> None:
    """Give a compiled network the variables of the checkpoint."""
    _assign(model.variables, checkpoint.model)
    _assign(model.optimizer.variables, checkpoint.optimizer)


def _accuracy(logs: Mapping[str, Any], *, validation: bool) -> float:
    """With auxiliary heads Keras puts the output's name before the word."""
    accuracies = (
        float(value)
        for name, value in logs.items()
        if name.endswith("accuracy") and name.startswith("val_") is validation
    )
    return next(accuracies, math.nan)


def _values(variables: Any) -> list[Any]:
    return [np.asarray(variable) for variable in variables]


def _assign(variables: Any, values: Arrays) -> None:
    if len(variables) != len(values):
        raise InputError(
            f"the checkpoint has {len(values)} variables, the network {len(variables)}",
            hint="it is from another version; pass --restart to start over",
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def epochs_callback(batches: keras.utils.PyDataset) -> keras.callbacks.Callback:
    """Move training batches to their next epoch with Keras."""
    import keras

    return keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: batches.next_epoch())


def progress_callback(
    progress: Progress, epochs: int, batches_per_epoch: int, *, done: int = 0
) -> keras.callbacks.Callback:
    """Report batches done, about a hundred times in all, with the last epoch's numbers."""
    import keras

    total = epochs * batches_per_epoch
    every = max(1, total // _CALLS)

    class Report(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
        def __init__(self) -> None:
            super().__init__()
            self._done = done
            self._message = f"epoch {done // batches_per_epoch + 1}/{epochs}"

        def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
            del batch, logs
            self._done += 1
            if self._done % every == 0:
                progress("train", self._done, total, self._message)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            logs = logs or {}
            accuracy = f", validation accuracy {_accuracy(logs, validation=True):.2%}"
            self._message = (
                f"epoch {epoch + 1}/{epochs}: loss {logs.get('loss', float('nan')):.4f}{accuracy}"
            )
            progress("train", self._done, total, self._message)

    return Report()
