"""Exponential moving average of the weights, used for validation and export.

The optimizer keeps the average (`network.optimizer_for`), so a checkpoint holds it with the
optimizer's variables. Moving means of batch normalization are averages already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def averaging_callbacks() -> tuple[keras.callbacks.Callback, keras.callbacks.Callback]:
    """(before, behind) the callbacks that judge an epoch and keep its weights.

    In between, and while Keras validates, the network has the averaged weights; what writes a
    checkpoint comes behind both.
    """
    import keras

    trained: list[Any] = []
    """The weights as the last step left them, while others are in their place."""

    def take_average(model: keras.Model) -> None:
        trained[:] = [np.array(weight) for weight in model.trainable_weights]
        model.optimizer.finalize_variable_values(model.trainable_weights)

    def take_trained(model: keras.Model) -> None:
        for weight, value in zip(model.trainable_weights, trained, strict=True):
            weight.assign(value)

    class Before(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
        def on_test_begin(self, logs: Any = None) -> None:
            del logs
            take_average(self.model)

        def on_test_end(self, logs: Any = None) -> None:
            del logs
            take_trained(self.model)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            take_average(self.model)

    class Behind(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            del epoch, logs
            take_trained(self.model)

        def on_train_end(self, logs: Any = None) -> None:
            """Keras has put the average there for good; the rest of an epoch may follow."""
            del logs
            if trained:
                take_trained(self.model)

    return Before(), Behind()
