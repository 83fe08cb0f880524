"""The place of the largest value as the one operator that every format has.

Keras on TensorFlow moves negative zeros below zero first, which it finds by their bits: neither
TFLite nor ONNX has operators for that. Without it the values are the same, but for the order of
0 and −0 in a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_NAMES = ("argmax", "argmin")


@contextmanager
def plain_argmax() -> Iterator[None]:
    """Have Keras call TensorFlow's argmax and argmin while a graph is traced."""
    from keras.src import backend

    module = backend.numpy
    kept = {name: getattr(module, name) for name in _NAMES}
    for name in _NAMES:
        setattr(module, name, _plain(name))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(module, name, function)


def _plain(name: str) -> Callable[..., Any]:
    def place(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        import tensorflow as tf

        values = tf.convert_to_tensor(x)
        rank = values.shape.rank
        indices = getattr(tf, name)(
            tf.reshape(values, [-1]) if axis is None else values,
            axis=0 if axis is None else axis,
            output_type=tf.int32,
        )
        if not keepdims:
            return indices
        return tf.reshape(indices, [1] * rank) if axis is None else tf.expand_dims(indices, axis)

    return place
