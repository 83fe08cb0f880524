"""What goes into a model and comes out of it: one tensor by name, shape and type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.records import read_record


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. `shape` holds None where the model leaves a dimension open.

    `layout` names the axes ("NHWC", "NCHW", "NC"), or is empty when unknown. Integer tensors
    carry `scale` and `zero_point`: real = (stored − zero_point) × scale.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    layout: str = ""
    scale: float | None = None
    zero_point: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TensorSpec:
        """Read what `asdict` wrote. Raises FieldError."""
        return read_record(cls, values, "tensor")
