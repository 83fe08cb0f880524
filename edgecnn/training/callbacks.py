"""From Keras's callbacks to edgecnn's Progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgecnn.progress import Progress

if TYPE_CHECKING:
    import keras

_CALLS = 100


def progress_callback(
    progress: Progress, epochs: int, batches_per_epoch: int
) -> keras.callbacks.Callback:
    """Report batches done, about a hundred times in all, with the last epoch's numbers."""
    import keras

    total = epochs * batches_per_epoch
    every = max(1, total // _CALLS)

    class Report(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
        def __init__(self) -> None:
            super().__init__()
            self._done = 0
            self._message = f"epoch 1/{epochs}"

        def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
            del batch, logs
            self._done += 1
            if self._done % every == 0:
                progress("train", self._done, total, self._message)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
            logs = logs or {}
            self._message = (
                f"epoch {epoch + 1}/{epochs}: loss {logs.get('loss', float('nan')):.4f}, "
                f"validation accuracy {logs.get('val_accuracy', float('nan')):.2%}"
            )
            progress("train", self._done, total, self._message)

        def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
            del logs
            progress("train", total, total, self._message)

    return Report()
