"""Decode the integer weights of a `.tflite` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]

_UINT8, _INT8, _INT4 = 3, 9, 17
STORED: Mapping[int, str] = {_UINT8: "uint8", _INT8: "int8", _INT4: "int4"}
"""By the schema's numbers."""


def real_values(
    data: bytes,
    dtype: str,
    shape: Sequence[int],
    *,
    scale: Values,
    zero: Values,
    axis: int,
) -> Values:
    """scale · (q − zero) in float32, of the shape; one scale for all, or one for each place on
    `axis`. Raises ValueError where the bytes are not those of the shape.
    """
    stored = _nibbles(data, prod(shape)) if dtype == "int4" else np.frombuffer(data, dtype)
    along = [1] * len(shape)
    if scale.size > 1:
        along[axis] = scale.size
    spread = scale.astype(np.float32).reshape(along)
    start = zero.astype(np.float32).reshape(along if zero.size > 1 else [1] * len(shape))
    return np.asarray((stored.reshape(shape).astype(np.float32) - start) * spread, np.float32)


def _nibbles(data: bytes, count: int) -> Values:
    """Signed numbers of four bits, the low ones of each byte first."""
    packed = np.frombuffer(data, np.uint8)
    both = np.stack([packed & 0xF, packed >> 4], axis=-1).ravel()[:count].astype(np.int8)
    return np.where(both > 7, both - 16, both)
