"""Wrap channels-first Keras models so that their exported files are channels last.

Converters lower channels-first convolutions to channels last with a transposition before and
after each; the wrapper's transposition cancels out the first of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def takes_channels_first(model: keras.Model) -> bool:
    """Whether the one input of a model has its channels before its places: by the layers that
    have a data format, or by a Permute that moves them to the end first.
    """
    inputs = list(model.inputs)
    if len(inputs) != 1 or len(inputs[0].shape) < 3:
        return False
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
        if type(layer).__name__ != "InputLayer" and not getattr(layer, "layers", None)
    ]
    if layers and type(layers[0]).__name__ == "Permute":
        axes = len(inputs[0].shape) - 1
        return tuple(layers[0].dims) == (*range(2, axes + 1), 1)
    formats = [str(layer.data_format) for layer in layers if _has_format(layer)]
    return bool(formats) and formats[0] == "channels_first"


def with_channels_last(model: keras.Model) -> keras.Model:
    """The same model behind an input whose channels come last."""
    import keras

    (tensor,) = model.inputs
    channels, *places = tensor.shape[1:]
    image = keras.Input((*places, channels), dtype=tensor.dtype, name=str(tensor.name))
    axes = len(places) + 1
    return keras.Model(
        image, model(keras.layers.Permute((axes, *range(1, axes)))(image)), name=model.name
    )


def _has_format(layer: Any) -> bool:
    """Layers whose axes are places and channels; a Flatten may keep a format that nobody uses."""
    return hasattr(layer, "data_format") and type(layer).__name__ != "Flatten"
