"""The cost of a .keras model, layer by layer."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.cost.graph import BITS, GraphCost, UncountableError, refuse
from edgecnn.errors import UnsupportedError
from edgecnn.keras_files import load_keras
from edgecnn.models.graph import calls, elements, macs

_VIEWS = ("InputLayer", "Reshape", "Flatten", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
          "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "BatchNormalization", "ReLU",
          "LeakyReLU", "PReLU", "ELU", "Activation")  # fmt: skip


def count(path: Path) -> GraphCost:
    """Count a Functional or Sequential model; nested ones count once for each call.

    Raises what `load_keras` raises, and UncountableError for custom layers, for
    recurrent ones, and for subclassed models.
    """
    model = load_keras(path)
    try:
        done, moved = _work(model)
    except UncountableError:
        raise
    except UnsupportedError as error:
        raise UncountableError(error.message, hint=error.hint) from error
    return GraphCost(
        macs=done,
        parameters=sum(prod(weight.shape) for weight in model.weights),
        weight_bytes=sum(prod(weight.shape) * BITS[weight.dtype] // 8 for weight in model.weights),
        activation_bytes=moved,
    )


def _work(model: Any) -> tuple[int, int]:
    """(multiplications, bytes read and written) of all calls."""
    done = moved = 0
    for call in calls(model):
        work = macs(call)
        if work is None:
            refuse([call.kind])
        else:
            done += work
        if call.kind not in _VIEWS:
            moved += sum(_bytes(tensor) for tensor in (*call.inputs, *call.outputs))
    return done, moved


def _bytes(tensor: Any) -> int:
    return elements(tensor) * BITS[str(tensor.dtype)] // 8
