"""Adaptive rounding (AdaRound): round weights so that the layer's output changes least.

M. Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization" (2020), equation
9: over the inputs x of a layer the expected error of an output is dᵀ E[x·xᵀ] d, where d is what
rounding does to the output's weights. The paper relaxes the choice and trains it; here single
weights change sides as long as that lowers the error (steepest descent), which needs no rates
and never ends above rounding to the nearest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.quantizers.weighted import (
    LARGEST,
    Floats,
    InputStatistics,
    WeightedLayer,
    nearest,
    scales_of,
    with_weights,
)
from edgecnn.conversion.recipe import Granularity

DAMPING = 0.01
"""Of the mean square of an input, added to each: what no sample showed counts a little."""
GAIN = 1e-12
"""Relative gain below which a change of sides does not count."""


def rounded(layer: WeightedLayer, seen: InputStatistics, granularity: Granularity) -> WeightedLayer:
    """The layer with weights that are steps of its int8 scale already.

    The quantizer finds the same scale again, since the largest weight of each scale stays, and
    with it the same steps.
    """
    scales = scales_of(layer.weights, granularity)
    weights = np.stack(
        [
            _rounded(layer.weights[group], scales[group], seen.products[group])
            for group in range(layer.groups)
        ]
    )
    return with_weights(layer, weights)


def output_error(weights: Floats, changed: Floats, products: npt.NDArray[np.float64]) -> float:
    """Expected squared error of all outputs (outputs, inputs) of one group."""
    difference = changed - weights
    return float(np.einsum("ok,kl,ol->", difference, products, difference, optimize=True))


def _rounded(weights: Floats, scales: Floats, products: npt.NDArray[np.float64]) -> Floats:
    """One group: (outputs, inputs) with steps (outputs, 1)."""
    inputs = weights.shape[1]
    squares = np.asarray(products, np.float64)
    damp = DAMPING * float(np.trace(squares)) / inputs
    squares = squares + damp * np.eye(inputs) if damp > 0 else np.eye(inputs)
    steps = np.clip(np.rint(weights / scales), -LARGEST, LARGEST)
    exact = weights / scales
    # The other side of each weight; the largest of a scale has none.
    other = np.where(steps > exact, np.floor(exact), np.ceil(exact))
    fixed = (np.abs(other) > LARGEST) | (np.abs(steps) >= LARGEST) | (other == steps)
    move = np.where(fixed, 0.0, other - steps)  # 1, -1 or, for what stays, 0
    own = np.abs(move) * np.diag(squares)[None, :]
    error = (steps - exact) @ squares
    least = -GAIN * (np.abs(error).max() + 1)
    rows = np.arange(len(weights))  # those that can still gain
    for _ in range(4 * inputs):
        change = 2 * move * error + own
        best = np.argmin(change, axis=1)
        gains = change[np.arange(len(rows)), best] < least
        if not gains.all():
            rows, move, own, error, best = (each[gains] for each in (rows, move, own, error, best))
            if not len(rows):
                break
        all_rows = np.arange(len(rows))
        moved = move[all_rows, best]
        steps[rows, best] += moved
        move[all_rows, best] = -moved
        error += moved[:, None] * squares[best]
    return np.asarray(steps * scales)


def plain(layer: WeightedLayer, granularity: Granularity) -> Floats:
    """The weights rounded to the nearest step."""
    return nearest(layer.weights, scales_of(layer.weights, granularity))
