"""A quantized `.onnx` file as a float one: its weights' own numbers, activations not rounded.

What quantizing cut off stays cut off: quantizers leave out a Relu or a Clip that the range of the
integers does as well, so that a range becomes a Clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import UnsupportedError

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_INTEGER = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")
_KEEPS_RANGE = frozenset(
    {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "MaxPool",
     "Split", "Resize", "Clip", "Identity"}
)  # fmt: skip
"""Operators behind which values lie in the range that they had before."""
_CLIP_TAKES_INPUTS = 11
"""The opset from which on the ends of a Clip are inputs."""

Values = npt.NDArray[Any]


def dequantize(model: Any) -> None:
    """Rewrite a model of QuantizeLinear/DequantizeLinear pairs into one of float32, in place.

    Raises UnsupportedError for operators that compute with integers by themselves, with a layer.
    """
    from onnx import numpy_helper

    graph = model.graph
    _check(graph)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    rewriting = _Rewriting(model, constants)
    kept = [one for node in graph.node for one in rewriting.nodes_for(node)]
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = rewriting.renamed.get(name, name)
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in rewriting.made.items()
    )
    used = {name for node in graph.node for name in node.input}
    for tensor in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(tensor)
    del graph.value_info[:]


def write_dequantized(path: Path) -> None:
    """Rewrite the file at `path`. Raises as `dequantize`."""
    import onnx

    model = onnx.load(str(path))
    dequantize(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))


def _check(graph: Any) -> None:
    for node in graph.node:
        if node.op_type in _INTEGER or node.op_type.startswith("QLinear"):
            raise _not_here(node, "computes with integers")
        if any(attribute.name == "block_size" and attribute.i for attribute in node.attribute):
            raise _not_here(node, "has a scale for each block of weights")


def _not_here(node: Any, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{node.op_type} (layer {(node.name or node.output[0])!r}) {what}: no float form of it is "
        "written here",
        hint="convert the float model that the file was made from",
    )


class _Rewriting:
    """Nodes, one after the other, with what stands for them in float."""

    def __init__(self, model: Any, constants: Mapping[str, Values]) -> None:
        from edgecnn.conversion.onnx_rewriting import opset_of

        self._constants = constants
        self._opset = opset_of(model)
        self._outputs = {value.name for value in model.graph.output}
        self._given = {value.name for value in model.graph.input}
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self.made: dict[str, Values] = {}
        """New constants."""
        self.renamed: dict[str, str] = {}

    def nodes_for(self, node: Any) -> list[Any]:
        """What takes the place of a node."""
        if node.op_type == _QUANTIZE:
            return self._range(node)
        if node.op_type != _DEQUANTIZE:
            return [node]
        stored = self._constants.get(node.input[0])
        if stored is not None:
            self.made[node.output[0]] = self._real(node, stored)
            return []
        maker = self._producers.get(node.input[0])
        if maker is None or maker.op_type != _QUANTIZE or not self._same(maker, node):
            raise _not_here(node, "takes integers that another operator computed")
        if node.output[0] in self._outputs:
            from onnx import helper

            return [helper.make_node("Identity", [node.input[0]], [node.output[0]])]
        self._rename(node.output[0], node.input[0])
        return []

    def _rename(self, name: str, to: str) -> None:
        self.renamed[name] = self.renamed.get(to, to)

    def _range(self, node: Any) -> list[Any]:
        """A QuantizeLinear as a Clip to what its integers reach, or as nothing where that cuts off
        nothing new.
        """
        from onnx import helper

        source, name = node.input[0], node.output[0]
        if name in self._outputs:
            raise _not_here(node, "answers with integers")
        if source in self._constants:  # a weight that is stored as float: rounded as it would be
            self.made[name] = self._rounded(node)
            return []
        maker = self._producers.get(source)
        plain = source in self._given or (maker is not None and maker.op_type in _KEEPS_RANGE)
        scale, zero = self._steps(node)
        if plain or scale.size != 1:
            self._rename(name, source)
            return []
        ends = np.iinfo(zero.dtype)
        low, high = (
            np.float32((end - int(zero.item())) * float(scale.item()))
            for end in (ends.min, ends.max)
        )
        if self._opset < _CLIP_TAKES_INPUTS:
            return [helper.make_node("Clip", [source], [name], min=float(low), max=float(high))]
        self.made |= {f"{name}_low": np.asarray(low), f"{name}_high": np.asarray(high)}
        label = node.name or name
        return [
            helper.make_node("Clip", [source, f"{name}_low", f"{name}_high"], [name], name=label)
        ]

    def _steps(self, node: Any) -> tuple[Values, Values]:
        """(scale, zero point) of a node."""
        scale = np.asarray(self._constants[node.input[1]], np.float32)
        if len(node.input) > 2 and node.input[2]:
            return scale, np.asarray(self._constants[node.input[2]])
        return scale, np.zeros(scale.shape, np.uint8)

    def _same(self, quantizer: Any, dequantizer: Any) -> bool:
        (one, zero), (other, other_zero) = self._steps(quantizer), self._steps(dequantizer)
        return np.array_equal(one, other) and np.array_equal(zero, other_zero)

    def _real(self, node: Any, stored: Values) -> Values:
        scale = np.asarray(self._constants[node.input[1]], np.float32)
        has_zero = len(node.input) > 2 and node.input[2]
        zero = np.asarray(self._constants[node.input[2]] if has_zero else 0, np.float32)
        along = _axis(node, stored.ndim, scale.size)
        return np.asarray(
            (stored.astype(np.float32) - zero.reshape(along)) * scale.reshape(along), np.float32
        )

    def _rounded(self, node: Any) -> Values:
        """The real values of a constant after it was quantized."""
        values = self._constants[node.input[0]]
        scale, zero = self._steps(node)
        along = _axis(node, values.ndim, scale.size)
        ends = np.iinfo(zero.dtype)
        steps = np.rint(values / scale.reshape(along)) + zero.reshape(along)
        return np.asarray(
            (np.clip(steps, ends.min, ends.max) - zero.reshape(along)) * scale.reshape(along),
            np.float32,
        )


def _axis(node: Any, rank: int, count: int) -> tuple[int, ...]:
    """The shape in which a scale is spread over values: along one axis, or over all."""
    if count == 1:
        return (1,) * rank
    found = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    shape = [1] * rank
    shape[found] = count
    return tuple(shape)
