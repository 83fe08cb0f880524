"""Outputs of ONNX Runtime that are no tensors: dictionaries of class → probability (ZipMap).

scikit-learn's converters end classifiers so. They are measured with the conversion into Python
objects inside of the inference, since every application gets them that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.formats.signature import Signature
from edgecnn.manifest import TensorSpec
from edgecnn.runtimes.base import Array
from edgecnn.runtimes.declared import declared_outputs, numeric_outputs
from edgecnn.runtimes.shapes import is_numeric


def usable_outputs(signature: Signature) -> tuple[tuple[TensorSpec, ...], tuple[int, ...]]:
    """(the outputs that are or become tensors of numbers, their places among all outputs).

    Raises UnsupportedError, with the operator, where no output is one.
    """
    plain = {spec.name: spec for spec in numeric_outputs(signature)}
    specs, places = [], []
    for place, value in enumerate(signature.outputs):
        if is_numeric(value.dtype):
            specs.append(plain[value.name])
        elif _is_map(value.dtype):
            specs.append(TensorSpec(value.name, (None, None), "float32", "NC"))
        else:
            continue
        places.append(place)
    if not specs and signature.outputs:
        declared_outputs(signature)  # which says why
    return tuple(specs), tuple(places)


def as_array(value: Any) -> Array:
    """A tensor as it is; a list of dictionaries (or one) as (samples, classes), float32, classes
    in the order of their names.
    """
    if isinstance(value, np.ndarray):
        return value
    rows: Sequence[Any] = value if isinstance(value, list) else [value]
    try:
        return np.array([[row[key] for key in sorted(row)] for row in rows], np.float32)
    except (TypeError, ValueError) as error:
        raise UnsupportedError(
            f"an output of {type(rows[0]).__name__} is no tensor of numbers",
            hint="export the model with outputs that are tensors",
        ) from error


def _is_map(dtype: str) -> bool:
    return "maps from" in dtype and is_numeric(dtype.rpartition(" of ")[2])
