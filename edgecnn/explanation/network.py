"""A Keras model opened up: its spatial layers, and one recorded pass to take gradients from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.preprocessing import FloatArray
from edgecnn.registry import unknown_name

if TYPE_CHECKING:
    import keras

_SILENT = ("InputLayer", "Dropout", "SpatialDropout2D", "ZeroPadding2D", "Cropping2D")
"""Layers that add nothing of their own to see."""
_FINISHED = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Add", "Concatenate",
             "MaxPooling2D", "AveragePooling2D")  # fmt: skip
LEAST_MAP = 2
LEAST_CAM_MAP = 4
"""A class activation map below 4×4 cells points at nothing."""


@dataclass(frozen=True)
class MapLayer:
    """A layer whose output is a stack of maps (batch, rows, columns, channels)."""

    name: str
    kind: str
    finished: bool
    """Whether it ends in an activation, a sum or a pooling, instead of waiting for one."""
    rows: int
    columns: int
    channels: int


def spatial_layers(model: keras.Model) -> list[MapLayer]:
    """Layers of the model with maps of at least 2×2, in the order of execution."""
    layers = []
    for name, node in _nodes(model).items():
        kind = type(node.operation).__name__
        shape = _map_shape(node)
        if shape is None or kind in _SILENT or min(shape[:2]) < LEAST_MAP:
            continue
        if any(_makes(node, output) for output in model.outputs):
            continue  # an answer, not a map on the way to it
        activation = getattr(getattr(node.operation, "activation", None), "__name__", "linear")
        finished = kind in _FINISHED or activation != "linear"
        layers.append(MapLayer(name, kind, finished, *shape))
    return layers


def stages(layers: Sequence[MapLayer], most: int) -> list[MapLayer]:
    """Layers by depth: the first one with its activation, then the last of each map size.

    Where there are more than `most`, evenly spaced ones; the first and the last always stay.
    """
    layers = [layer for layer in layers if layer.finished] or list(layers)
    if not layers:
        return []
    runs = groupby(layers, key=lambda layer: (layer.rows, layer.columns))
    ends = [list(run)[-1] for _, run in runs]
    chosen = [layers[0], *(layer for layer in ends if layer != layers[0])]
    if len(chosen) <= most:
        return chosen
    places = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
    return [chosen[place] for place in places]


def layer_named(layers: Sequence[MapLayer], name: str) -> MapLayer:
    """Raises InputError with the nearest name for a layer that has no maps."""
    for layer in layers:
        if layer.name == name:
            return layer
    raise unknown_name("layer with maps", name, [layer.name for layer in layers])


@dataclass(frozen=True)
class RecordedPass:
    """One pass over `tensors`: the maps of some layers, class scores before the softmax, and
    gradients of anything that was computed with respect to the maps or the input.

    `maps` holds (n, rows, columns, channels) for each layer asked for, `scores` (n, classes).
    """

    tensors: Any
    maps: tuple[Any, ...]
    scores: Any
    gradient: Callable[[Any, Any], FloatArray | None]
    """(target, source) → d target / d source as an array, None where they are not connected."""


def record(
    model: keras.Model,
    tensors: FloatArray,
    layers: Sequence[MapLayer],
    target: Callable[[RecordedPass], Any],
) -> tuple[RecordedPass, Any]:
    """Run the model in inference mode and compute `target(recording)` under the same record.

    Raises UnsupportedError where Keras runs on another backend than TensorFlow.
    """
    from edgecnn.keras_files import import_keras

    keras = import_keras()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UnsupportedError(
            f"gradients are taken with TensorFlow, and Keras is set to {backend}",
            hint="set KERAS_BACKEND=tensorflow, or explain the .tflite or .onnx file",
        )
    import tensorflow as tf

    before, finish = _before_softmax(model)
    nodes = _nodes(model)
    wanted_maps = [nodes[layer.name].output_tensors[0] for layer in layers]
    inner = keras.Model(model.inputs, [*wanted_maps, before])
    with tf.GradientTape(persistent=True) as tape:
        source = tf.convert_to_tensor(tensors)
        tape.watch(source)
        *maps, last = keras.tree.flatten(inner(source, training=False))

        def gradient(of: Any, towards: Any) -> FloatArray | None:
            derivative = tape.gradient(of, towards)
            return None if derivative is None else np.asarray(derivative, np.float32)

        recording = RecordedPass(source, tuple(maps), finish(last), gradient)
        wanted = target(recording)
    return recording, wanted


def _nodes(model: Any) -> dict[str, Any]:
    """Layer → its place in the graph that leads to the model's outputs, in execution order.

    A layer's own `output` may belong to another graph: Sequential builds one with each layer
    that is added. Layers that are called in several places are left out.
    """
    graph = getattr(model, "_functional", None) or model
    by_depth = graph._nodes_by_depth  # noqa: SLF001 (the only way to the graph)
    by_name: dict[str, Any] = {}
    several = set()
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            name = str(node.operation.name)
            several |= {name} & set(by_name)
            by_name[name] = node
    return {name: node for name, node in by_name.items() if name not in several}


def _map_shape(node: Any) -> tuple[int, int, int] | None:
    """(rows, columns, channels) where the output is one stack of maps of a known size."""
    if len(node.output_tensors) != 1:
        return None
    shape = tuple(node.output_tensors[0].shape)
    if len(shape) != 4 or any(size is None for size in shape[1:]):
        return None
    return int(shape[1]), int(shape[2]), int(shape[3])


def _before_softmax(model: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The tensor whose scores Grad-CAM differentiates, and what makes (n, classes) of it.

    Softmax ties all classes together, so the gradient is taken before it (Selvaraju 2017, y^c).
    A detector's scores are the highest cells of its heat maps, the first of its outputs. What
    answers with one score speaks against class 0 as it speaks for class 1.
    """
    from edgecnn.keras_files import import_keras

    ops = import_keras().ops
    output = model.outputs[0]
    if len(output.shape) == 4 and output.shape[1] != 1:
        return output, lambda heat: ops.max(heat, axis=(1, 2))
    node = next((one for one in _nodes(model).values() if _makes(one, output)), None)
    if node is None:
        return output, _flat
    layer, kind = node.operation, type(node.operation).__name__
    if kind == "Softmax" or (kind == "Activation" and _is_softmax(layer)):
        return node.input_tensors[0], _flat
    if kind == "Dense" and _is_softmax(layer):
        kernel, bias = layer.kernel, layer.bias
        offset = 0 if bias is None else bias
        return node.input_tensors[0], lambda x: _flat(ops.matmul(x, kernel) + offset)
    return output, _flat


def _flat(scores: Any) -> Any:
    from edgecnn.keras_files import import_keras

    ops = import_keras().ops
    flat = ops.reshape(scores, (scores.shape[0], -1))
    return flat if flat.shape[1] > 1 else ops.concatenate([-flat, flat], axis=1)


def _makes(node: Any, tensor: Any) -> bool:
    return any(made is tensor for made in node.output_tensors)


def _is_softmax(layer: Any) -> bool:
    return getattr(getattr(layer, "activation", None), "__name__", "") == "softmax"


def check_class(index: int, count: int) -> int:
    """Raises InputError for a class that the model does not have."""
    if not 0 <= index < count:
        raise InputError(
            f"no class {index}: the model has {count}", hint=f"classes run from 0 to {count - 1}"
        )
    return index


__getattr__ = old_names(__name__, {"Layer": "MapLayer", "Recording": "RecordedPass"})
