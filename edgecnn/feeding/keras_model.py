"""Infer what a Keras model does to its input before its first learned layer, by running it.

The part before the first layer with weights is run on constant inputs: whatever it is made of
(Rescaling, Normalization, `x / 127.5 - 1`, a nested model that keras.applications returned), a
scale and an offset show as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import EdgeCNNError
from edgecnn.feeding.family import family_of
from edgecnn.feeding.inferred_input import InferredInput, named
from edgecnn.feeding.ranges import expected_by
from edgecnn.formats.front import Values, number

if TYPE_CHECKING:
    import keras

_FIXED = ("Normalization", "BatchNormalization")
"""Layers whose weights are statistics of the input, where they come before all others."""
_SILENT = (
    *("InputLayer", "ZeroPadding", "Resizing", "Random", "Dropout", "Flatten", "Reshape"),
    *("GetItem", "Stack", "Concatenate", "Cropping", "CenterCrop", "Gaussian", "Permute"),
    *("MaxPooling", "AveragePooling", "Activation", "ReLU", "Identity", "Spatial", "Pipeline"),
)
_IN_WORDS = {
    "TrueDivide": "a division",
    "Divide": "a division",
    "Multiply": "a multiplication",
    "Subtract": "a subtraction",
    "Add": "an addition",
}
_LEVELS = (0.0, 64.0, 255.0)
_MOST_NESTED = 8


@dataclass(frozen=True)
class _Front:
    scale: Values
    offset: Values
    steps: tuple[str, ...]
    inner: Any
    """The model that holds the first learned layer."""


def prove_file(path: Path) -> InferredInput | None:
    """As `prove`, of a .keras file; None for one that cannot be loaded, or would run code."""
    from edgecnn.keras_files import load_keras

    try:
        return prove(load_keras(path))
    except EdgeCNNError:
        return None


def prove(model: keras.Model) -> InferredInput | None:
    """What a loaded model proves; None for several inputs, and where nothing can be seen.

    First layers that scale decide; without such, a network that is built as one of
    keras.applications wants what that one wants.
    """
    inputs: list[Any] = list(getattr(model, "inputs", None) or ())
    if len(inputs) != 1 or ("int" in str(inputs[0].dtype) and inputs[0].dtype != "uint8"):
        return None
    front = _front(model)
    if front is None:
        return None
    preset = expected_by(front.scale, front.offset)
    if preset is not None:
        return InferredInput("model", f"the model begins with {named(front.steps)}", preset)
    # Where it does something that is not a known scale, the family would be a guess.
    names = [] if front.steps else [operation.name for operation in _operations(front.inner)]
    family = family_of(names)
    if family is None:
        return None
    because = f"the model is built as {family.name} of keras.applications"
    return InferredInput("family", because, family.preset)


def _front(model: keras.Model) -> _Front | None:
    """The scale and offset before the first learned layer; None where it is no such thing."""
    shape = list(model.inputs[0].shape)[1:]
    if not shape or shape[-1] is None:
        return None
    sizes = [64 if size is None else int(size) for size in shape]
    probes = [np.full((1, *sizes), level, np.float32) for level in _LEVELS]
    steps: list[str] = []
    inner: Any = model
    for _ in range(_MOST_NESTED):
        split = _first_learned(inner)
        if split is None:
            return None
        operation, before = split
        steps += [step for one in before if (step := _step(one))]
        try:
            part = _part_before(_graph(inner), operation)
        except ValueError:
            return None
        if part is not None:
            probes = [np.asarray(part(probe, training=False), np.float32) for probe in probes]
        if not _is_model(operation):
            break
        inner = operation
    else:
        return None
    return _fitted(probes, tuple(steps), inner)


def _fitted(probes: list[Any], steps: tuple[str, ...], inner: Any) -> _Front | None:
    """The straight line through the answers to three constant inputs, None where it is bent.

    Padding answers nothing: what does not move is left out.
    """
    low, middle, high = (np.asarray(probe, np.float64).ravel() for probe in probes)
    slope = (high - low) / (_LEVELS[2] - _LEVELS[0])
    moves = np.abs(slope) > 1e-9
    if not moves.any():
        return None
    slope, low, middle = slope[moves], low[moves], middle[moves]
    expected = low + slope * (_LEVELS[1] - _LEVELS[0])
    if np.abs(expected - middle).max() > 1e-3 * max(1.0, float(np.abs(high).max())):
        return None
    center = -low / slope
    scale = np.median(slope)
    return _Front(np.asarray(scale), np.asarray(-np.median(center) * scale), steps, inner)


def _first_learned(model: Any) -> tuple[Any, list[Any]] | None:
    """The first operation with learned weights, and those before it."""
    before: list[Any] = []
    for operation in _operations(model):
        if _is_learned(operation):
            return operation, before
        before.append(operation)
    return None


def _part_before(graph: Any, operation: Any) -> Any:
    """A model from the graph's input to what `operation` takes; None where it takes the input
    itself. Raises ValueError where it takes something else.

    An operation that several graphs share (a nested model) has a call in each.
    """
    import keras

    for node in operation._inbound_nodes:  # noqa: SLF001 (Keras has no other way to its graph)
        if len(node.input_tensors) != 1:
            continue
        if node.input_tensors[0] is graph.inputs[0]:
            return None
        try:
            return keras.Model(graph.inputs[0], node.input_tensors[0])
        except ValueError:  # a call in another graph
            continue
    raise ValueError(f"{operation.name} does not take the model's input")


def _graph(model: Any) -> Any:
    """The functional model behind a model; None for one that is a program."""
    graph = getattr(model, "_functional", None) or model
    return graph if hasattr(graph, "operations") and getattr(graph, "inputs", None) else None


def _operations(model: Any) -> Iterator[Any]:
    graph = _graph(model)
    return iter(() if graph is None else graph.operations)


def _is_model(operation: Any) -> bool:
    return hasattr(operation, "layers") and _graph(operation) is not None


def _is_learned(operation: Any) -> bool:
    if type(operation).__name__ in _FIXED:
        return False
    if _is_model(operation):
        return any(_is_learned(one) for one in _operations(operation))
    return bool(getattr(operation, "weights", ()))


def _step(operation: Any) -> str:
    """An operation that changes values, as its maker wrote it; "" for one that does not."""
    kind = type(operation).__name__
    if kind == "Rescaling":
        scale, offset = (np.ravel(getattr(operation, name)) for name in ("scale", "offset"))
        arguments = [number(float(scale[0]))] if scale.size == 1 else ["…"]
        if offset.any():
            arguments.append(f"{float(offset[0]):g}" if offset.size == 1 else "…")
        return f"Rescaling({', '.join(arguments)})"
    if kind in ("Sequential", "Functional"):
        return ", ".join(step for one in _operations(operation) if (step := _step(one)))
    if kind.startswith(_SILENT):
        return ""
    return _IN_WORDS.get(kind, kind)
