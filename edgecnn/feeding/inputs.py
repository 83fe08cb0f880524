"""Samples that name the inputs of a model (see `data.sources.named_tensors`), as it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.manifest import TensorSpec
from edgecnn.preprocessing import Fed
from edgecnn.synthetic_inputs import channels_last
from edgecnn.tensor_spec import fits, is_batched, shape_text

Array = npt.NDArray[Any]

AS_THEY_ARE = Fed(
    "data", "the data set names the inputs of the model", values="each input's own array as it is"
)
"""The record of a model that is fed such samples."""
_SIGNATURE_PREFIX = "serving_default_"


def check_no_preprocessing(option: object) -> None:
    """Raise InputError where a user says how to prepare samples that are prepared already."""
    if option is not None:
        raise InputError(
            "--preprocessing cannot be used with data that are already model inputs",
            hint="omit --preprocessing",
        )


def sample_shape(spec: TensorSpec, batch: int | None = None) -> tuple[int | None, ...]:
    """What one sample of an input is: channels last, without the axis that counts samples (an open
    first one, or one of `batch`).
    """
    shape = channels_last(spec)
    return shape[1:] if is_batched(spec, batch) else shape


def tensors_for(
    sample: Mapping[str, Array],
    specs: Sequence[TensorSpec],
    *,
    where: str,
    batch: int | None = None,
    limits: Mapping[str, int] | None = None,
) -> list[Array]:
    """One array for each input, channels last and without a batch axis; values stay as they
    are, in the type of the input (real values, where it is quantized).

    An array may have the axes of the model or channels last, and a first axis of 1 where the input
    counts samples. A model with one input takes the only array of a sample, whatever it is
    called. `limits` are the numbers of ids by input name, `where` names the sample.

    Raises InputError for an input without an array, for another shape, for fractions where the
    input takes whole numbers, and for ids that the model does not have.
    """
    arrays = _assigned(sample, specs, where)
    return [
        _fitting(array, spec, batch, (limits or {}).get(spec.name), where)
        for array, spec in zip(arrays, specs, strict=True)
    ]


def _assigned(sample: Mapping[str, Array], specs: Sequence[TensorSpec], where: str) -> list[Array]:
    plain = {_plain(name): name for name in sample}
    arrays = []
    for spec in specs:
        name = spec.name if spec.name in sample else plain.get(_plain(spec.name))
        if name is None and len(specs) == 1:
            numbers = [key for key in sample if key not in ("labels", "y")] or list(sample)
            name = numbers[0] if len(numbers) == 1 else None
        if name is None:
            expected = ", ".join(f"{one.name} {shape_text(sample_shape(one))}" for one in specs)
            holds = ", ".join(f"{key} {shape_text(array.shape)}" for key, array in sample.items())
            raise InputError(
                f"{where} has no array for the input {spec.name!r}, only {holds}",
                hint=f"name the arrays after the inputs: {expected}",
            )
        arrays.append(sample[name])
    return arrays


def _plain(name: str) -> str:
    """A name without what exporters put around it."""
    return name.removeprefix(_SIGNATURE_PREFIX).partition(":")[0]


def _fitting(
    array: Array, spec: TensorSpec, batch: int | None, limit: int | None, where: str
) -> Array:
    wanted = sample_shape(spec, batch)
    if is_batched(spec, batch) and len(array.shape) == len(wanted) + 1 and array.shape[0] == 1:
        array = array[0]
    if not fits(array.shape, wanted) and array.ndim > 1:
        turned = np.moveaxis(array, 0, -1)  # the model's own axes: channels first
        array = turned if fits(turned.shape, wanted) else array
    if not fits(array.shape, wanted):
        several = len(array.shape) == len(wanted) + 1 and fits(array.shape[1:], wanted)
        raise InputError(
            f"{where}: input {spec.name!r} takes {shape_text(wanted)} a sample, the data set has "
            f"{shape_text(array.shape)}",
            hint="one file is one sample; many go into one .npz, counted by the first axis"
            if several
            else "pass each sample in the shape that the model takes",
        )
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"{where}: input {spec.name!r} takes numbers, the data set has {array.dtype}"
        )
    whole = np.dtype(spec.dtype).kind in "iub" and not spec.scale
    if whole and array.dtype.kind == "f" and (array != np.floor(array)).any():
        raise InputError(
            f"{where}: input {spec.name!r} takes whole numbers ({spec.dtype}), the data set has "
            "fractions",
            hint="pass the values that the model takes: ids, or pixels 0…255",
        )
    if whole and spec.dtype != "bool" and array.size:
        ends = np.iinfo(spec.dtype)
        if array.min() < ends.min or array.max() > ends.max:
            raise InputError(
                f"{where}: input {spec.name!r} is {spec.dtype}, the data set has "
                f"{array.min():g} … {array.max():g}",
                hint="pass the values that the model takes",
            )
    if limit is not None and array.size:
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or highest >= limit:
            raise InputError(
                f"{where}: input {spec.name!r} takes ids 0…{limit - 1}, the data set has "
                f"{lowest if lowest < 0 else highest}",
                hint="the data set was made for another vocabulary",
            )
    return np.asarray(array, _kept(spec))


def _kept(spec: TensorSpec) -> Any:
    """The type in which samples are handed on: real values of quantized inputs, too, as float32."""
    if spec.scale or spec.dtype in ("float16", "bfloat16"):
        return np.float32
    return np.dtype(spec.dtype)
