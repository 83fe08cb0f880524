"""Outputs of a converted file in the order and the layout of its parent's.

Between formats outputs may change places, and maps (batch, channels, height, width) become
(batch, height, width, channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def aligned(
    reference: Sequence[Array],
    outputs: Sequence[Array],
    *,
    reference_names: Sequence[str] = (),
    names: Sequence[str] = (),
) -> tuple[list[Array], list[int]]:
    """(the outputs as the parent has them, the place that each had among `outputs`).

    By their names where both have the same, by their order otherwise. What fits in no way stays
    as it is: comparing it says so.
    """
    places = list(range(len(outputs)))
    if sorted(reference_names) == sorted(names) and len(set(names)) == len(outputs):
        places = [list(names).index(name) for name in reference_names]
    if len(reference) != len(outputs):
        return list(outputs), list(range(len(outputs)))
    return [
        _turned(wanted, outputs[place]) for wanted, place in zip(reference, places, strict=True)
    ], places


def _turned(reference: Array, output: Array) -> Array:
    """`output` with its channels where the parent has them, and axes of size 1 as there."""
    if output.shape != reference.shape and _without_ones(output) == _without_ones(reference):
        return output.reshape(reference.shape)
    if output.ndim != reference.ndim or output.ndim < 3:
        return output
    turned = [np.moveaxis(output, -1, 1), np.moveaxis(output, 1, -1)]
    fitting = [one for one in (output, *turned) if one.shape == reference.shape]
    if len(fitting) < 2:
        return fitting[0] if fitting else output
    first = np.asarray(reference[:1], np.float64)
    errors = [float(np.abs(np.asarray(one[:1], np.float64) - first).mean()) for one in fitting]
    best = min(errors)
    # As it is, unless another way is clearly meant: noise must not decide.
    return fitting[0] if not errors[0] > 2 * best else fitting[errors.index(best)]


def _without_ones(array: Array) -> tuple[int, ...]:
    """The shape but for axes behind the first that are one long."""
    return (*array.shape[:1], *(size for size in array.shape[1:] if size != 1))
