"""Specification of a model's input or output tensor: name, shape and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecnn.errors import InputError
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


def is_batched(spec: TensorSpec, batch: int | None = None) -> bool:
    """Whether the first axis of an input counts samples: it is open, or of `batch`. Scalars, and
    vectors of another size, have none.
    """
    return bool(spec.shape) and (spec.shape[0] is None or spec.shape[0] == batch)


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    """Whether an array has a shape that a model takes; None takes any size."""
    return len(shape) == len(wanted) and all(
        size is None or size == have for have, size in zip(shape, wanted, strict=True)
    )


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as NumPy writes it, `(1, ?, 3)` or `(8,)`, with `?` for any size."""
    sizes = ["?" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def one_tensor_error(
    model: str, inputs: Sequence[TensorSpec], *, otherwise: str = ""
) -> InputError:
    """The error for data of one tensor a sample where `model`, as it is called, takes several.
    `otherwise` is what works without such data.
    """
    listed = ", ".join(f"{spec.name} {shape_text(spec.shape)}" for spec in inputs)
    return InputError(
        f"{model} takes {len(inputs)} inputs ({listed}), each sample has one tensor",
        hint="pass --data npz:FILE with one named array per input"
        + (f"; {otherwise}" if otherwise else ""),
    )
