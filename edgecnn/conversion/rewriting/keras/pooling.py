"""3-D pooling in terms of 2-D pooling: TFLite has no other.

The largest value of a box is the largest, along the depth, of the largest of its planes, and a
mean over a box is the mean of means: pooling (height, width) and then the depth gives the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_LAYERS = {"MaxPooling3D": "max_pool", "AveragePooling3D": "average_pool"}


def with_planar_pooling(model: keras.Model) -> keras.Model:
    """The model itself, or a copy with the same weights that pools volumes plane by plane."""
    import keras

    layers = model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
    if not any(_is_pooling(layer) for layer in layers):
        return model

    class PlanarPooling(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
        """Pools (batch, depth, height, width, channels) as the layer `like` does."""

        def __init__(self, like: Any) -> None:
            super().__init__(name=like.name)
            self._pool = getattr(keras.ops, _LAYERS[type(like).__name__])
            self._like = like

        def call(self, volumes: Any) -> Any:
            reshape, like = keras.ops.reshape, self._like
            size, strides, padding = like.pool_size, like.strides, like.padding
            depth, *plane, channels = volumes.shape[1:]
            planes = reshape(volumes, (-1, *plane, channels))
            planes = self._pool(planes, size[1:], strides[1:], padding, "channels_last")
            plane = planes.shape[1:3]
            columns = reshape(planes, (-1, depth, plane[0] * plane[1], channels))
            columns = self._pool(columns, (size[0], 1), (strides[0], 1), padding, "channels_last")
            return reshape(columns, (-1, columns.shape[1], *plane, channels))

    def replaced(layer: Any) -> Any:
        if _is_pooling(layer):
            return PlanarPooling(layer)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=replaced, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def _is_pooling(layer: Any) -> bool:
    return type(layer).__name__ in _LAYERS and layer.data_format == "channels_last"
