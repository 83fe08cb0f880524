"""The next batches are made while the network computes on the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.keras_files import import_keras

if TYPE_CHECKING:
    import keras

AHEAD = 4
"""Batches that wait: 150 MB of 64 images of 224×224."""


def prefetched(batches: keras.utils.PyDataset) -> Any:
    """`batches` as Keras's `fit` takes them; with TensorFlow a dataset that is made ahead.

    Keras makes one, too, but leaves tf.data's autotuning on, whose thread sleeps twice as long
    each time (10 ms to a minute) and which closing an epoch's iterator at times waits for: with
    TensorFlow 2.21 epochs of 2.6 s took 5.1 s every so often. With workers of its own Keras
    makes nothing ahead of the step and waits 100 ms at each epoch's end.
    Other backends take `batches` as they are. `open_sizes` of theirs says that sizes between the
    first and the last axis differ between epochs, `ragged` that all do between batches.
    """
    if import_keras().backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    open_sizes = getattr(batches, "open_sizes", False)
    ragged = getattr(batches, "ragged", False)

    def spec_of(array: Any) -> Any:
        if ragged:
            return tf.TensorSpec((None,) * array.ndim, array.dtype)
        sizes = (None,) * (array.ndim - 2) if open_sizes else array.shape[1:-1]
        shape = (None, *sizes, array.shape[-1]) if array.ndim > 1 else (None,)
        return tf.TensorSpec(shape, array.dtype)

    signature = tf.nest.map_structure(spec_of, batches[0])
    specs = tf.nest.flatten(signature)

    def made(index: int) -> list[Any]:
        flat: list[Any] = tf.nest.flatten(batches[int(index)])
        return flat

    def batch(index: Any) -> Any:
        arrays = tf.numpy_function(made, [index], [spec.dtype for spec in specs])
        for array, spec in zip(arrays, specs, strict=True):
            array.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(signature, arrays)

    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.range(len(batches)).map(batch).prefetch(AHEAD).with_options(options)
