"""Error of float files against the quantized model they were made from, in quantization steps.

The parent requantizes its activations, they do not: an absolute error is not meaningful there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.evaluation.value_ranges import MOST_LEVELS, quantization_step

Array = npt.NDArray[Any]


def step_error_note(
    reference: Sequence[Array], outputs: Sequence[Array], steps: Sequence[float | None]
) -> str:
    """A sentence about the output that is furthest off; empty where no step is known.

    `reference` are the quantized parent's outputs (n, …), `steps` the scales of those that its
    file declares; the others are seen from the values.
    """
    worst: tuple[float, float] | None = None
    for place, (wanted, output) in enumerate(zip(reference, outputs, strict=True)):
        step = (steps[place] if place < len(steps) else None) or _seen(wanted)
        if not step or wanted.shape != output.shape or not wanted.size:
            continue
        off = np.abs(output.astype(np.float64) - wanted.astype(np.float64)) / step
        each = float(off.max()), float(off.mean())
        worst = each if worst is None else max(worst, each)
    if worst is None:
        return ""
    return (
        "activations are not requantized; outputs differ from the parent's by "
        f"{worst[1]:.2g} quantization steps on average (max {worst[0]:.3g})"
    )


def _seen(values: Array) -> float | None:
    levels = np.unique(values)
    return quantization_step(levels if len(levels) <= MOST_LEVELS else None, values.size)
