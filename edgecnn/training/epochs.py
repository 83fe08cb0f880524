"""Epochs of a training as Keras runs them, with the errors that reading a batch raised.

A checkpoint of an older version may lie behind the last batch of an epoch. There is no batch left
to `fit` then, and Keras ends no epoch without one: that is done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.training.prefetch import prefetched

if TYPE_CHECKING:
    import keras


def run_epochs(
    model: keras.Model,
    batches: Any,
    validation: Any,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    epoch: int,
    last: int,
) -> None:
    """The epochs from `epoch` to `last`, or the end of one of which no batch is left."""
    try:
        if not len(batches):
            _end_epoch(model, prefetched(validation), callbacks, epoch=epoch)
            return
        model.fit(
            prefetched(batches),
            validation_data=prefetched(validation),
            initial_epoch=epoch,
            epochs=last,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    # Any kind: Keras and TensorFlow raise a batch's InputError again as errors of their own, of
    # which each version has others. What no batch reported is raised as it is.
    except Exception as error:
        reported = batches.error or validation.error
        if reported is None:
            raise
        raise reported from error


def _end_epoch(
    model: keras.Model,
    validation: Any,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    epoch: int,
) -> None:
    """Validate and call `callbacks` as `fit` does behind the last batch of `epoch`.

    One of them gives the means over the epoch's batches back to the model's metrics.
    """
    import keras

    model.stop_training = False
    listed = keras.callbacks.CallbackList(list(callbacks), model=model)
    listed.on_train_begin()
    model.reset_metrics()
    listed.on_epoch_begin(epoch)
    logs = dict(model.get_metrics_result())
    judged = model.evaluate(validation, callbacks=listed, return_dict=True, verbose=0)
    logs |= {f"val_{name}": value for name, value in judged.items()}
    listed.on_epoch_end(epoch, logs)
    listed.on_train_end(logs)
