"""Inputs and outputs of ONNX Runtime that are not tensors.

Outputs: dictionaries of class → probability (ZipMap), as scikit-learn's converters end classifiers,
and sequences. They are measured with the conversion into Python objects inside of the inference,
since every application gets them that way. Inputs: sequences, which get one tensor, and what is
optional, which is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.formats.signature import Signature
from edgecnn.runtimes.base import Array
from edgecnn.runtimes.declared import declared_outputs, numeric_outputs
from edgecnn.runtimes.shapes import is_numeric
from edgecnn.tensor_spec import TensorSpec

TEXT = "object"
"""numpy's type for an array of texts."""


def usable_outputs(signature: Signature) -> tuple[tuple[TensorSpec, ...], tuple[int, ...]]:
    """(the outputs that are or become tensors of numbers, their places among all outputs); those
    of text where there is no other.

    Raises UnsupportedError, with the operator, where no output is one.
    """
    plain = {spec.name: spec for spec in numeric_outputs(signature)}
    specs, places = [], []
    for place, value in enumerate(signature.outputs):
        if is_numeric(value.dtype):
            specs.append(plain[value.name])
        elif _is_map(value.dtype):
            specs.append(TensorSpec(value.name, (None, None), "float32", "NC"))
        elif value.element is not None and is_numeric(value.element.dtype):
            specs.append(TensorSpec(value.name, (None,), value.element.dtype))
        else:
            continue
        places.append(place)
    if not specs:
        texts = [(at, each) for at, each in enumerate(signature.outputs) if each.dtype == "string"]
        specs = [TensorSpec(each.name, (None,), TEXT) for _, each in texts]
        places = [at for at, _ in texts]
    if not specs and signature.outputs:
        declared_outputs(signature)  # which says why
    return tuple(specs), tuple(places)


def plain_inputs(signature: Signature) -> Signature:
    """The signature with one tensor in place of each input that holds tensors.

    Inputs that ONNX Runtime's Python cannot be given keep their words, for others to refuse.
    """
    inputs = (
        value.element if value.element is not None and _can_hold(value.inside) else value
        for value in signature.inputs
    )
    return replace(
        signature,
        inputs=tuple(
            replace(value, dtype=TEXT) if value.dtype == "string" else value for value in inputs
        ),
    )


def holders(signature: Signature) -> dict[str, Callable[[Array], Any]]:
    """The function from a tensor to the object that an input takes, for inputs of other types."""
    return {
        value.name: (lambda array: [array]) if "sequence" in value.inside else (lambda array: array)
        for value in signature.inputs
        if value.element is not None and _can_hold(value.inside)
    }


def _can_hold(inside: tuple[str, ...]) -> bool:
    return inside in (("sequence",), ("optional",), ("optional", "sequence"))


def as_array(value: Any) -> Array:
    """A tensor as it is; a list of tensors as the row of all their values, nothing as an empty
    one; a list of dictionaries (or one) as (samples, classes), float32, classes in the order of
    their names.
    """
    if isinstance(value, np.ndarray):
        return value
    rows: Sequence[Any] = value if isinstance(value, list) else [value]
    if all(row is None for row in rows):
        return np.zeros(0, np.float32)
    if all(isinstance(row, np.ndarray) for row in rows):
        return np.concatenate([row.ravel() for row in rows])
    try:
        return np.array([[row[key] for key in sorted(row)] for row in rows], np.float32)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(
            f"an output of {type(rows[0]).__name__} is not a tensor of numbers",
            hint="export the model with outputs that are tensors",
        ) from error


def _is_map(dtype: str) -> bool:
    return "maps from" in dtype and is_numeric(dtype.rpartition(" of ")[2])
