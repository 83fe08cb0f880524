"""Nearest upsampling as the one operator that every runtime has: a resize.

Keras repeats rows and columns, which in a graph is a Tile, a Reshape and what computes their
shapes, twice: ncnn and TFLite Micro have no Tile, and the others take longer. A resize to the
nearest pixel by a whole factor gives the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_LAYERS = ("UpSampling1D", "UpSampling2D", "UpSampling3D")


@contextmanager
def as_resize(layers: list[Any]) -> Iterator[None]:
    """Have upsampling layers among `layers` call a resize while a graph is traced."""
    with ExitStack() as undo:
        for layer in layers:
            call = _resize_of(layer)
            if call is not None:
                # Past Keras, which would look for weights in what a layer is given.
                object.__setattr__(layer, "call", call)
                undo.callback(object.__delattr__, layer, "call")
        yield


def _resize_of(layer: Any) -> Callable[[Any], Any] | None:
    """What a layer would call; None for one that does not upsample to the nearest."""
    name = type(layer).__name__
    if name not in _LAYERS or not type(layer).__module__.startswith("keras."):
        return None
    if getattr(layer, "interpolation", "nearest") != "nearest":
        return None
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None

    def call(values: Any) -> Any:
        if None in values.shape[1:]:
            return type(layer).call(layer, values)
        return _CALLS[name](layer.size, values)

    return call


def _signal(size: Any, signals: Any) -> Any:
    """(batch, length, channels)."""
    import tensorflow as tf

    factor = size[0] if isinstance(size, tuple | list) else size
    length, channels = signals.shape[1:]
    columns = _nearest(tf.reshape(signals, (-1, length, 1, channels)), length * factor, 1)
    return tf.reshape(columns, (-1, length * factor, channels))


def _image(size: Any, images: Any) -> Any:
    """(batch, height, width, channels)."""
    height, width = images.shape[1:3]
    return _nearest(images, height * size[0], width * size[1])


def _volume(size: Any, volumes: Any) -> Any:
    """(batch, depth, height, width, channels): first the planes, then the depth."""
    import tensorflow as tf

    depth, height, width, channels = volumes.shape[1:]
    planes = tf.reshape(volumes, (-1, height, width, channels))
    height, width = height * size[1], width * size[2]
    planes = _nearest(planes, height, width)
    columns = tf.reshape(planes, (-1, depth, height * width, channels))
    columns = _nearest(columns, depth * size[0], height * width)
    return tf.reshape(columns, (-1, depth * size[0], height, width, channels))


_CALLS: dict[str, Callable[[Any, Any], Any]] = dict(
    zip(_LAYERS, (_signal, _image, _volume), strict=True)
)


def _nearest(images: Any, height: int, width: int) -> Any:
    """Pixels at the whole part of their place divided by the factor."""
    import tensorflow as tf

    return tf.raw_ops.ResizeNearestNeighbor(
        images=images, size=(height, width), align_corners=False, half_pixel_centers=False
    )
