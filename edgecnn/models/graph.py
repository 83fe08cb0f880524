"""A Keras model as calls of layers, and the work each call does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from edgecnn.errors import UnsupportedError

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


class Call(NamedTuple):
    """One layer (or Keras operation) at work: its symbolic tensors, batch included."""

    layer: Any
    inputs: list[Any]
    outputs: list[Any]

    @property
    def kind(self) -> str:
        return type(self.layer).__name__


def calls(model: Any) -> list[Call]:
    """The calls of a Functional or Sequential model, each after those it needs.

    A model inside the model gives its own calls, once for each call of it, with tensors of their
    own, which its neighbors read and write. Raises UnsupportedError for a subclassed model, which
    has no graph to read.
    """
    found: list[Call] = []
    same: dict[int, Any] = {}
    for node in _nodes(model):
        inputs = [same.get(id(tensor), tensor) for tensor in node.input_tensors]
        outputs = list(node.output_tensors)
        if hasattr(node.operation, "layers"):
            inner, inner_outputs = _nested(node.operation, inputs)
            found += inner
            same |= _each_as(outputs, inner_outputs)
        else:
            found.append(Call(node.operation, inputs, outputs))
    return found


def _nested(model: Any, inputs: list[Any]) -> tuple[list[Call], list[Any]]:
    """The calls of `model` on the tensors `inputs` of another one, and what they end in."""
    inner = calls(model)
    same = _each_as(model.inputs, inputs)
    found = []
    for call in inner:
        if not call.inputs:
            continue  # an input of the inner model is a tensor of the outer one
        outputs = [copy.copy(tensor) for tensor in call.outputs]
        same |= _each_as(call.outputs, outputs)
        given = [same.get(id(tensor), tensor) for tensor in call.inputs]
        found.append(Call(call.layer, given, outputs))
    return found, [same.get(id(tensor), tensor) for tensor in model.outputs]


def _each_as(tensors: Sequence[Any], others: Sequence[Any]) -> dict[int, Any]:
    if len(tensors) != len(others):
        raise UnsupportedError(
            f"a model inside the model takes or gives {len(tensors)} tensors, received: "
            f"{len(others)}"
        )
    return {id(tensor): other for tensor, other in zip(tensors, others, strict=True)}


def _nodes(model: Any) -> list[Any]:
    """The nodes of a model's graph, each after those it needs."""
    graph = getattr(model, "_functional", None) or model
    by_depth = getattr(graph, "_nodes_by_depth", None)
    if not by_depth:
        raise UnsupportedError("a subclassed Keras model has no graph to read")
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def macs(call: Call) -> int | None:
    """Multiplications with a weight (or, in a matrix product, another input) for one sample.

    None where the work of such a layer is not known. Raises as `elements` does.
    """
    kind, layer = call.kind, call.layer
    if kind in _FOR_EACH_OUTPUT:
        return elements(call.outputs[0]) * _FOR_EACH_OUTPUT[kind](tuple(layer.kernel.shape))
    if kind in _TRANSPOSED:  # kernel (…, out, in): each input is spread over the window
        return elements(call.inputs[0]) * int(prod(layer.kernel.shape[:-1]))
    if kind in _SEPARABLE:
        depth, point = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        return elements(call.outputs[0]) // int(point[-1]) * int(prod(depth) + prod(point))
    if kind == "Matmul":
        return elements(call.outputs[0]) * int(call.inputs[0].shape[-1])
    weighted = kind not in _WITHOUT_PRODUCTS and getattr(layer, "weights", None)
    return None if kind in _UNKNOWN or weighted else 0


def elements(tensor: Any) -> int:
    """Numbers in one sample of `tensor`.

    Raises UnsupportedError for a tensor with an open dimension besides the batch.
    """
    if None in tensor.shape[1:]:
        raise UnsupportedError("a tensor has an open dimension besides the batch")
    return prod(tensor.shape[1:])
