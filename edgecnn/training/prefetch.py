"""The next batches are made while the network computes on the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgecnn.keras_files import import_keras

if TYPE_CHECKING:
    import keras

AHEAD = 4
"""Batches that wait: 150 MB of 64 pictures of 224×224."""


def prefetched(batches: keras.utils.PyDataset) -> Any:
    """`batches` as Keras's `fit` takes them; with TensorFlow a dataset that is made ahead.

    Keras makes one, too, but leaves tf.data's autotuning on, whose thread sleeps twice as long
    each time (10 ms to a minute) and which closing an epoch's iterator at times waits for: with
    TensorFlow 2.21 epochs of 2.6 s took 5.1 s every so often. With workers of its own Keras
    makes nothing ahead of the step and waits 100 ms at each epoch's end.
    Other backends take `batches` as they are.
    """
    if import_keras().backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    def made() -> Iterator[Any]:
        for index in range(len(batches)):
            yield batches[index]

    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), batches[0]
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_generator(made, output_signature=signature)
        .apply(tf.data.experimental.assert_cardinality(len(batches)))
        .prefetch(AHEAD)
        .with_options(options)
    )
