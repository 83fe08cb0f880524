"""Grad-CAM: which places of a layer's maps speak for a class.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.explanation.network import LEAST_CAM_MAP, MapLayer, RecordedPass, record
from edgecnn.preprocessing import FloatArray

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ClassMap:
    """`heat` (rows, columns) in 0…1: where the layer's maps raise the score of `index`.

    All zero where no place speaks for the class.
    """

    index: int
    layer: MapLayer
    heat: FloatArray


def candidates(layers: Sequence[MapLayer]) -> list[MapLayer]:
    """Layers to take Grad-CAM at, the best first: the deepest with maps of at least 4×4."""
    large = [layer for layer in layers if min(layer.rows, layer.columns) >= LEAST_CAM_MAP]
    return list(large or layers)[::-1]


def class_maps(
    model: keras.Model, tensor: FloatArray, classes: Sequence[int], layers: Sequence[MapLayer]
) -> list[ClassMap]:
    """Grad-CAM of each class for one input (height, width, channels).

    It is taken at the first of `layers` that the class scores depend on (a detector's branch
    for boxes has no say in its scores). Raises InputError where they depend on none.
    """

    def targets(recording: RecordedPass) -> list[Any]:
        return [recording.scores[:, index] for index in classes]

    tried = layers[:6]
    recording, wanted = record(model, tensor[None], tried, targets)
    for layer, maps in zip(tried, recording.maps, strict=True):
        gradients = [recording.gradient(target, maps) for target in wanted]
        if all(gradient is not None for gradient in gradients):
            activations = np.asarray(maps, np.float32)[0]
            return [
                ClassMap(index, layer, weigh(activations, gradient[0]))
                for index, gradient in zip(classes, gradients, strict=True)
                if gradient is not None
            ]
    raise InputError(
        "the class scores depend on none of the layers with maps",
        hint="name a layer with --layer",
    )


def weigh(maps: FloatArray, gradient: FloatArray) -> FloatArray:
    """ReLU(Σ w_k A_k), w_k the mean gradient of map k (alpha in the paper), scaled to at most 1.

    `maps` and `gradient` are (rows, columns, channels).
    """
    weights = gradient.mean(axis=(0, 1))
    heat = np.maximum(maps @ weights, 0)
    top = float(heat.max())
    return np.asarray(heat / top if top > 0 else heat, np.float32)
