"""First operators of a model file, from which its expected input is inferred.

A graph that begins with a multiplication by 1/255 takes pixels of 0…255; so does an int8 input
whose scale is 1. Read with the standard library and numpy alone, as a Raspberry Pi has them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix

Values = npt.NDArray[np.float64]

_CHANNELS_AT_MOST = 4096


@dataclass(frozen=True)
class InputOperators:
    """The input x becomes x × scale + offset (one value, or one a channel) by `steps`.

    `low` and `high` are the real values that an integer input, or the first integer tensor,
    can hold. `mean` and `std` are what metadata in the file says is done to a pixel of 0…255
    outside of it: (pixel − mean) / std. `dtype` is the input's.
    """

    dtype: str = "float32"
    scale: Values = field(default_factory=lambda: np.asarray(1.0))
    offset: Values = field(default_factory=lambda: np.asarray(0.0))
    steps: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def times(self, factor: Values, name: str) -> InputOperators:
        """Behind a multiplication."""
        return replace(
            self, scale=self.scale * factor, offset=self.offset * factor, steps=(*self.steps, name)
        )

    def plus(self, added: Values, name: str) -> InputOperators:
        """Behind an addition."""
        return replace(self, offset=self.offset + added, steps=(*self.steps, name))

    def ranged(self, low: float, high: float) -> InputOperators:
        """With the values that an integer tensor behind the steps can hold, as input values.

        Kept as it is where an earlier tensor said so, and where steps treat channels unequally.
        """
        if self.low is not None or np.ndim(self.scale) or np.ndim(self.offset):
            return self
        scale, offset = float(self.scale), float(self.offset)
        if not scale:
            return self
        ends = sorted([(low - offset) / scale, (high - offset) / scale])
        return replace(self, low=ends[0], high=ends[1])


def read_input_operators(path: Path) -> InputOperators | None:
    """What a model file does to its input before its first learned layer.

    None for a format whose graph is not read, for a model with several inputs, and for a file
    that cannot be read: whether it is whole is judged elsewhere.
    """
    known = by_suffix(Path(path))
    if known is None:
        return None
    try:
        return known.front(Path(path))
    except (*UNREADABLE, OSError, struct.error):
        return None


def stepped(
    front: InputOperators, operation: str, value: Values, *, constant_first: bool
) -> InputOperators | None:
    """`front` behind an elementwise operation (add, sub, mul, div) with a constant.

    None for an operation that is not a scale and an offset (a constant divided by the input).
    """
    constant = per_channel(value)
    divides = operation == "div"
    if constant is None or (divides and (constant_first or not bool((constant != 0).all()))):
        return None
    name = f"{operation.capitalize()}({_value_text(constant)})"
    if operation in ("mul", "div"):
        return front.times(1.0 / constant if divides else constant, name)
    if operation == "sub" and constant_first:
        return front.times(np.asarray(-1.0), "Neg").plus(constant, name)
    return front.plus(constant if operation == "add" else -constant, name)


def per_channel(value: Values) -> Values | None:
    """A constant that is one number, or one a channel, without its axes of size 1; else None."""
    squeezed = np.squeeze(np.asarray(value, np.float64))
    if squeezed.ndim > 1 or squeezed.size > _CHANNELS_AT_MOST or not np.isfinite(squeezed).all():
        return None
    if squeezed.size and bool((squeezed == squeezed.flat[0]).all()):
        return np.asarray(squeezed.flat[0])
    return squeezed


def _value_text(value: Values) -> str:
    """1/255 for 0.00392…, 0.45 … 0.49 for several."""
    if value.ndim == 0:
        return number(float(value))
    return f"{float(value.min()):.4g} … {float(value.max()):.4g}"


def number(value: float) -> str:
    """A factor as its maker wrote it: 1/255, 1/127.5, 2."""
    if 0 < abs(value) < 0.1:
        inverse = 1 / value
        if abs(inverse - round(inverse, 1)) < 1e-3 * abs(inverse):
            return f"{'-' if inverse < 0 else ''}1/{abs(round(inverse, 1)):g}"
    return f"{value:.6g}"
