"""Feature maps by depth: what a layer's strongest channels answer to in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.explanation.network import MapLayer, record
from edgecnn.preprocessing import FloatArray

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FeatureMaps:
    """The strongest maps of a layer: `maps` (count, rows, columns) in 0…1, `channels` their
    places in the layer. `silent` counts the layer's channels that are constant over the image.
    """

    layer: MapLayer
    channels: tuple[int, ...]
    maps: FloatArray
    silent: int


def feature_maps(
    model: keras.Model, tensor: FloatArray, layers: Sequence[MapLayer], most: int = 8
) -> list[FeatureMaps]:
    """For one input (height, width, channels), the `most` strongest maps of each layer."""
    if not layers:
        return []
    recording, _ = record(model, tensor[None], layers, lambda _: None)
    return [
        strongest(layer, np.asarray(maps, np.float32)[0], most)
        for layer, maps in zip(layers, recording.maps, strict=True)
    ]


def strongest(layer: MapLayer, maps: FloatArray, most: int) -> FeatureMaps:
    """Of (rows, columns, channels), those that vary most over the image, each from 0 to 1.

    A map that is the same everywhere says nothing about this image, however high it is.
    """
    spread = maps.std(axis=(0, 1))
    order = np.argsort(-spread, kind="stable")[:most]
    chosen = maps[:, :, order].transpose(2, 0, 1)
    low = chosen.min(axis=(1, 2), keepdims=True)
    reach = chosen.max(axis=(1, 2), keepdims=True) - low
    scaled = np.divide(chosen - low, reach, out=np.zeros_like(chosen), where=reach > 0)
    silent = int(np.count_nonzero(spread < 1e-6))
    return FeatureMaps(layer, tuple(int(index) for index in order), scaled, silent)
