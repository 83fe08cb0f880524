"""Cross-layer equalization: even out the channel ranges of neighboring layers.

M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019):
a ReLU lets a factor through, so that an output of one layer may be divided by what the same input
of the next is multiplied by. With s = √(r₁·r₂) / r₂ both channels get the same range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecnn.conversion.quantizers.weighted import Floats, WeightedLayer

SWEEPS = 20
"""Over all pairs at most; a chain of layers settles in a few."""
SETTLED = 1e-3


def equalized(layers: Sequence[WeightedLayer]) -> list[WeightedLayer]:
    """The layers that changed; the network computes what it did."""
    by_name = {layer.name: layer for layer in layers}
    pairs = [
        (layer.name, layer.follower)
        for layer in layers
        if layer.linear and layer.follower in by_name
        if _fits(layer, by_name[layer.follower])
    ]
    for _ in range(SWEEPS):
        farthest = 0.0
        for first, second in pairs:
            factors = _factors(by_name[first], by_name[second])
            by_name[first] = _divided(by_name[first], factors)
            by_name[second] = _multiplied(by_name[second], factors)
            farthest = max(farthest, float(np.abs(np.log(factors)).max(initial=0.0)))
        if farthest < SETTLED:
            break
    touched = {name for pair in pairs for name in pair}
    return [by_name[layer.name] for layer in layers if layer.name in touched]


def _fits(first: WeightedLayer, second: WeightedLayer) -> bool:
    """Whether each output of the first is one input channel of the second.

    A dense layer behind a convolution takes each channel at many places, in an order that the
    reshaping between them has made.
    """
    if first.weights.shape[0] * first.weights.shape[1] != _channels(second):
        return False
    return first.kind == second.kind


def _channels(layer: WeightedLayer) -> int:
    taps = int(np.prod(layer.kernel)) if layer.kernel else 1
    return layer.groups * layer.inputs // taps


def _by_input(layer: WeightedLayer) -> Floats:
    """(groups, outputs, input channels of a group, taps)."""
    taps = int(np.prod(layer.kernel)) if layer.kernel else 1
    return layer.weights.reshape(*layer.weights.shape[:2], -1, taps)


def _factors(first: WeightedLayer, second: WeightedLayer) -> Floats:
    leaving = np.abs(first.weights).max(axis=2).ravel()
    entering = np.abs(_by_input(second)).max(axis=(1, 3)).ravel()
    usable = (leaving > 0) & (entering > 0)
    safe = np.where(usable, entering, 1.0)
    return np.where(usable, np.sqrt(np.where(usable, leaving, 1.0) * safe) / safe, 1.0)


def _divided(layer: WeightedLayer, factors: Floats) -> WeightedLayer:
    shaped = factors.reshape(*layer.weights.shape[:2], 1)
    bias = None if layer.bias is None else layer.bias / factors
    return replace(layer, weights=layer.weights / shaped, bias=bias)


def _multiplied(layer: WeightedLayer, factors: Floats) -> WeightedLayer:
    by_input = _by_input(layer)
    shaped = factors.reshape(layer.groups, 1, -1, 1)
    return replace(layer, weights=(by_input * shaped).reshape(layer.weights.shape))
