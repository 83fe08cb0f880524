"""Convert between edgecnn's real-valued, channels-last arrays and a model's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.tensor_spec import TensorSpec, fits, shape_text

Array = npt.NDArray[Any]

_CHANNELS_FIRST = {"NCL": (0, 2, 1), "NCHW": (0, 3, 1, 2), "NCDHW": (0, 4, 1, 2, 3)}


def to_model(array: Array, spec: TensorSpec) -> Array:
    """Real values, channels last → the model's layout and dtype, quantized where it asks.

    Quantizing rounds half to even and saturates, as the reference kernels do. Raises
    InputError when the shape does not fit (open dimensions take any size).
    """
    axes = _CHANNELS_FIRST.get(spec.layout)
    if axes is not None and array.ndim == len(axes):
        turned = array.transpose(axes)
        # A layout that was guessed may be wrong: what fits as it is, and only so, stays.
        if fits(turned.shape, spec.shape) or not fits(array.shape, spec.shape):
            array = turned
    if not fits(array.shape, spec.shape):
        raise InputError(
            f"input {spec.name!r} takes {shape_text(spec.shape)}, received: "
            f"{shape_text(array.shape)}"
        )
    return np.asarray(stored(array, spec), order="C")  # ascontiguousarray gives a scalar an axis


def stored(array: Array, spec: TensorSpec) -> Array:
    """Real values → the model's dtype, quantized where it asks, element by element."""
    dtype = np.dtype(spec.dtype)
    if spec.scale:
        limits = np.iinfo(dtype)
        array = np.rint(array / spec.scale) + (spec.zero_point or 0)
        array = np.clip(array, limits.min, limits.max)
    elif dtype.kind in "iu" and array.dtype.kind == "f":  # pixels that were resized
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return np.asarray(array, dtype)


def model_shape(shape: tuple[int, ...], spec: TensorSpec) -> tuple[int, ...]:
    """A channels-last shape in the model's layout."""
    axes = _CHANNELS_FIRST.get(spec.layout)
    if axes is None or len(shape) != len(axes):
        return shape
    return tuple(shape[axis] for axis in axes)


def channels_last_view(array: Array, spec: TensorSpec) -> Array:
    """A view of an array in the model's layout, channels last."""
    axes = _CHANNELS_FIRST.get(spec.layout)
    if axes is None or array.ndim != len(axes):
        return array
    return array.transpose(np.argsort(axes))


def from_model(array: Array, spec: TensorSpec) -> Array:
    """What a model returned → float32 real values (integers without a scale stay as they are)."""
    if spec.scale:
        return (array.astype(np.float32) - np.float32(spec.zero_point or 0)) * np.float32(
            spec.scale
        )
    if np.issubdtype(array.dtype, np.floating):  # of complex values both parts stay
        return array.astype(np.float32)
    return array


def name_axes(rank: int, dtype: str = "float32") -> str:
    """The axes of a channels-last tensor, empty for ranks that nobody names.

    N is the batch, L the length of a text or a signal, D, H and W depth, height and width,
    C the channels. A matrix of whole numbers is taken for word ids.
    """
    if rank == 2 and dtype in ("int32", "int64"):
        return "NL"
    return {2: "NC", 3: "NLC", 4: "NHWC", 5: "NDHWC"}.get(rank, "")


def guess_layout(shape: Sequence[int | None], dtype: str = "float32") -> str:
    """The axes of a foreign model's tensor, judged by where a channel count (1, 3, 4) stands."""
    layout = name_axes(len(shape), dtype)
    if len(shape) < 3 or shape[-1] in (1, 3, 4) or shape[1] not in (1, 3, 4):
        return layout
    return f"NC{layout[1:-1]}" if layout else ""
