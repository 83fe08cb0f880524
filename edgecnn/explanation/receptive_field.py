"""The effective receptive field: which pixels really move a layer's center unit, and how much.

W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", NeurIPS 2016: the gradient of the center unit with respect to the
input, averaged over inputs. The theoretical field, what could move it, is in
`edgecnn.models.receptive_field`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.explanation.network import MapLayer, RecordedPass, record
from edgecnn.preprocessing import FloatArray

if TYPE_CHECKING:
    import keras

SHARE = 0.95
MOST_SAMPLES = 16
MOST_VALUES = 1 << 19
"""Input values in one pass: 3 images of 224×224×3, 16 of 32×32×1."""


@dataclass(frozen=True)
class EffectiveField:
    """`weight` (height, width) sums to 1: each pixel's share of the center unit's gradient.

    `center` is the unit (row, column) in the layer's map, `samples` how many inputs it is
    averaged over.
    """

    layer: MapLayer
    weight: FloatArray
    center: tuple[int, int]
    samples: int

    @property
    def area(self) -> int:
        """The fewest pixels that together hold 95% of the weight."""
        return fewest_holding(self.weight, SHARE)

    @property
    def side(self) -> float:
        """The side, in pixels, of a square of that area."""
        return sqrt(self.area)


def effective_fields(
    model: keras.Model, tensors: FloatArray, layers: Sequence[MapLayer]
) -> list[EffectiveField]:
    """For each layer, the mean over `tensors` (n, height, width, channels) of the absolute
    gradient of its center unit (summed over channels), summed over the input's channels.
    """

    def centers(recording: RecordedPass) -> list[Any]:
        return [
            maps[:, layer.rows // 2, layer.columns // 2, :]
            for layer, maps in zip(layers, recording.maps, strict=True)
        ]

    if not layers:
        return []
    recording, wanted = record(model, tensors, layers, centers)
    fields = []
    for layer, target in zip(layers, wanted, strict=True):
        gradient = recording.gradient(target, recording.tensors)
        if gradient is None or not gradient.any():
            continue
        weight = np.abs(gradient).sum(axis=3).mean(axis=0)
        center = (layer.rows // 2, layer.columns // 2)
        share = np.asarray(weight / weight.sum(), np.float32)
        fields.append(EffectiveField(layer, share, center, len(tensors)))
    return fields


def fewest_holding(weight: FloatArray, share: float) -> int:
    """How many of the largest values make up `share` of the sum."""
    ranked = np.sort(np.asarray(weight, np.float64), axis=None)[::-1]
    held = np.cumsum(ranked) / ranked.sum()
    return int(np.searchsorted(held, share - 1e-9) + 1)


def noisy_copies(tensor: FloatArray, seed: int = 0) -> FloatArray:
    """Inputs (n, …) to average over where there is one image: it, with noise of its own
    standard deviation, as many as fit into one pass (3 to 16).
    """
    count = int(np.clip(MOST_VALUES // tensor.size, 3, MOST_SAMPLES))
    rng = np.random.default_rng(seed)
    spread = float(tensor.std()) or 1.0
    noise = rng.normal(0, spread, (count, *tensor.shape))
    noise[0] = 0
    return np.asarray(tensor[None] + noise, np.float32)
