"""What goes into a model and comes out of it: one tensor by name, shape and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Whether an array has a shape that a model takes; None takes any size."""
    return len(shape) == len(wanted) and all(
        size is None or size == have for have, size in zip(shape, wanted, strict=True)
    )


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as NumPy writes it, `(1, ?, 3)` or `(8,)`, with `?` for any size."""
    sizes = ["?" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
