"""The cost of a .keras model, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.cost.graph import BITS, Cost, UncountableError, refuse
from edgecnn.keras_files import load_keras

_VIEWS = ("InputLayer", "Reshape", "Flatten", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
          "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "BatchNormalization", "ReLU",
          "LeakyReLU", "PReLU", "ELU", "Activation")  # fmt: skip
_WITHOUT_PRODUCTS = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "PReLU",
                     "UnitNormalization", "Normalization", "Rescaling", "Embedding")  # fmt: skip
_UNKNOWN = ("Dot", "Einsum", "EinsumDense")
# Multiplications for each element of the output, from the shape of the kernel.
_FOR_EACH_OUTPUT: Mapping[str, Callable[[tuple[int, ...]], int]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), lambda kernel: prod(kernel[:-1])),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), lambda kernel: prod(kernel[:-2])),
    "Dense": lambda kernel: kernel[0],
}
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")


def count(path: Path) -> Cost:
    """Count a Functional or Sequential model; nested ones count once for each call.

    Raises what `load_keras` raises, and UncountableError for layers of one's own, for
    recurrent ones, and for subclassed models.
    """
    model = load_keras(path)
    macs = moved = 0
    for layer, inputs, outputs in _calls(model):
        macs += _macs(layer, inputs, outputs)
        if type(layer).__name__ not in _VIEWS:
            moved += sum(_bytes(tensor) for tensor in (*inputs, *outputs))
    return Cost(
        macs=macs,
        parameters=sum(prod(weight.shape) for weight in model.weights),
        weight_bytes=sum(prod(weight.shape) * BITS[weight.dtype] // 8 for weight in model.weights),
        activation_bytes=moved,
    )


def _calls(model: Any) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """(layer or operation, input tensors, output tensors) of each call in the graph."""
    graph = getattr(model, "_functional", None) or model
    by_depth = getattr(graph, "_nodes_by_depth", None)
    if not by_depth:
        raise UncountableError("a subclassed Keras model does not tell its graph")
    for node in (node for nodes in by_depth.values() for node in nodes):
        if hasattr(node.operation, "layers"):  # a model inside the model
            yield from _calls(node.operation)
        else:
            yield node.operation, list(node.input_tensors), list(node.output_tensors)


def _macs(layer: Any, inputs: list[Any], outputs: list[Any]) -> int:
    kind = type(layer).__name__
    macs = 0
    if kind in _FOR_EACH_OUTPUT:
        macs = _size(outputs[0]) * _FOR_EACH_OUTPUT[kind](tuple(layer.kernel.shape))
    elif kind in _TRANSPOSED:  # kernel (…, out, in): each input is spread over the window
        macs = _size(inputs[0]) * prod(layer.kernel.shape[:-1])
    elif kind in _SEPARABLE:
        depth, point = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        macs = _size(outputs[0]) // point[-1] * (prod(depth) + prod(point))
    elif kind == "Matmul":
        macs = _size(outputs[0]) * int(inputs[0].shape[-1])
    elif kind in _UNKNOWN or (kind not in _WITHOUT_PRODUCTS and getattr(layer, "weights", None)):
        refuse([kind])
    return macs


def _size(tensor: Any) -> int:
    """Elements of one sample."""
    if None in tensor.shape[1:]:
        raise UncountableError("a tensor has an open dimension besides the batch")
    return prod(tensor.shape[1:])


def _bytes(tensor: Any) -> int:
    return _size(tensor) * BITS[str(tensor.dtype)] // 8
