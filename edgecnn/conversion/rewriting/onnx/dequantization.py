"""A quantized `.onnx` file as a float one: its weights' own numbers, activations not rounded.

What quantizing cut off stays cut off: quantizers leave out a Relu or a Clip that the range of the
integers does as well, so that a range becomes a Clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.rewriting.onnx.integers import not_here, with_pairs
from edgecnn.conversion.rewriting.onnx.plain_form import set_nodes

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_KEEPS_RANGE = frozenset(
    {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "MaxPool",
     "Split", "Resize", "Identity", "AveragePool", "GlobalAveragePool"}
)  # fmt: skip
"""Operators behind which values lie in the range that they had before."""
_MOVES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "GatherND",
         "GatherElements", "MaxPool", "Split", "Resize", "Identity", "Tile", "Expand", "TopK",
         "DepthToSpace", "SpaceToDepth", "ReverseSequence", "ReduceMax", "ReduceMin", "Upsample"),
        (0,),
    ),
    "Pad": (0, 2), "Where": (1, 2),
    **dict.fromkeys(("Concat", "Max", "Min"), tuple(range(64))),
}  # fmt: skip
"""Operators that choose among values, and compute none: they take integers for real values. Which
of their inputs are values."""
_ENDS: Mapping[str, tuple[float, float]] = {
    "Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "Tanh": (-1.0, 1.0),
    "Relu": (0.0, math.inf), "Clip": (-math.inf, math.inf),
}  # fmt: skip
"""Between which operators answer."""
_DTYPES: Mapping[int, type[np.integer[Any]]] = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16}
"""By ONNX's numbers."""
_ANSWERS_PLACES = ("ArgMax", "ArgMin")
_CLIP_TAKES_INPUTS = 11
"""The opset from which on the ends of a Clip are inputs."""

Values = npt.NDArray[Any]


def dequantize(model: Any) -> None:
    """Rewrite a model of QuantizeLinear/DequantizeLinear pairs into one of float32, in place.

    Raises UnsupportedError for operators that compute with integers by themselves, with a layer.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    with_pairs(model, constants)
    rewriting = _Rewriting(model, constants)
    kept = [one for node in graph.node for one in rewriting.nodes_for(node)]
    set_nodes(graph, kept, rewriting.renamed)
    graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in rewriting.made.items()
    )
    _without_unused(graph)
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


def _without_unused(graph: Any) -> None:
    """Take out nodes whose outputs nobody takes any more."""
    wanted = {value.name for value in graph.output}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                wanted |= {name for each in inner.node for name in each.input}
    kept = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    set_nodes(graph, reversed(kept))


class _Rewriting:
    """Nodes, one after the other, with what stands for them in float."""

    def __init__(self, model: Any, constants: Mapping[str, Values]) -> None:
        from edgecnn.conversion.rewriting.onnx.plain_form import opset_of

        self._constants = constants
        self._opset = opset_of(model)
        self._outputs = {value.name for value in model.graph.output}
        self._given = {value.name for value in model.graph.input}
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self.made: dict[str, Values] = {}
        """New constants."""
        self.renamed: dict[str, str] = {}
        self._steps_of: dict[str, tuple[Values, Values]] = {}
        """(scale, zero point) of tensors of integers, for which real values stand now."""

    def nodes_for(self, node: Any) -> list[Any]:
        """What takes the place of a node."""
        if node.op_type == _QUANTIZE:
            return self._range(node)
        if node.op_type != _DEQUANTIZE:
            taken = [name for name in node.input if name in self._steps_of]
            return [self._moved(node, taken)] if taken else [node]
        stored = self._constants.get(node.input[0])
        if stored is not None:
            self.made[node.output[0]] = self._real(node, stored)
            return []
        if node.input[0] in self._given:
            return self._real_input(node)
        steps = self._steps_of.get(node.input[0])
        if steps is None:
            raise not_here(node, "takes integers that another operator computed")
        if not _same(steps, self._steps(node)):
            raise not_here(node, "reads integers with another scale than they were made with")
        if node.output[0] in self._outputs:
            from onnx import helper

            return [helper.make_node("Identity", [node.input[0]], [node.output[0]])]
        self._rename(node.output[0], node.input[0])
        return []

    def _rename(self, name: str, to: str) -> None:
        self.renamed[name] = self.renamed.get(to, to)

    def _moved(self, node: Any, taken: list[str]) -> Any:
        """A node that chooses among integers, choosing among the real values that they stand for.
        Constants that it takes besides are of the same scale.
        """
        kind = node.op_type
        places = _MOVES.get(kind, (0,) if kind in _ANSWERS_PLACES else ())
        steps = self._steps_of[taken[0]]
        values = [place for place in places if place < len(node.input) and node.input[place]]
        if not set(taken) <= {node.input[place] for place in values}:
            raise not_here(node, "computes with integers")
        scale, zero = steps
        if kind == "Pad" and len(values) == 1 and zero.any():  # it pads with the integer 0
            node.input.extend([""] * (2 - len(node.input)))
            node.input.append(f"{node.output[0]}_integer_none")
            self.made[node.input[2]] = np.asarray(-np.float32(zero) * scale, np.float32).reshape(())
        for place in values:
            name = node.input[place]
            if name in self._constants:
                if scale.size != 1:
                    raise not_here(node, "takes integers of several scales")
                real = (self._constants[name].astype(np.float32) - np.float32(zero)) * scale
                node.input[place] = f"{node.output[0]}_real_{place}"
                self.made[node.input[place]] = np.asarray(real, np.float32)
            elif name not in self._steps_of or not _same(self._steps_of[name], steps):
                raise not_here(node, "takes integers of several scales")
        if kind not in _ANSWERS_PLACES:
            last = 1 if kind in ("MaxPool", "TopK") else None
            names = list(node.output)[:last]
            if self._outputs & set(names):
                raise not_here(node, "answers with integers")
            self._steps_of |= dict.fromkeys(names, steps)
        return node

    def _real_input(self, node: Any) -> list[Any]:
        """What a model that takes integers does with them first."""
        from onnx import TensorProto, helper

        (scale, zero), name = self._steps(node), node.output[0]
        if scale.size != 1:
            raise not_here(node, "takes an input with a scale for each channel")
        self.made |= {
            f"{name}_zero": np.asarray(zero, np.float32).reshape(()),
            f"{name}_step": np.asarray(scale, np.float32).reshape(()),
        }
        return [
            helper.make_node("Cast", [node.input[0]], [f"{name}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Sub", [f"{name}_cast", f"{name}_zero"], [f"{name}_moved"]),
            helper.make_node("Mul", [f"{name}_moved", f"{name}_step"], [name], name=node.name),
        ]

    def _range(self, node: Any) -> list[Any]:
        """A QuantizeLinear as a Clip to what its integers reach, or as nothing where that cuts off
        nothing new.
        """
        from onnx import helper

        source, name = node.input[0], node.output[0]
        if name in self._outputs:
            raise not_here(node, "answers with integers")
        scale, zero = self._steps(node)
        if zero.dtype.kind not in "iu":
            raise not_here(node, f"quantizes to {zero.dtype}")
        self._steps_of[name] = scale, zero
        if source in self._constants:  # a weight that is stored as float: rounded as it would be
            self.made[name] = self._rounded(node)
            return []
        maker = self._producers.get(source)
        plain = source in self._given or (maker is not None and maker.op_type in _KEEPS_RANGE)
        if plain or scale.size != 1:
            self._rename(name, source)
            return []
        step, ends = float(scale.item()), np.iinfo(zero.dtype)
        low, high = ((end - int(zero.item())) * step for end in (ends.min, ends.max))
        reached = self._reach(maker)
        if reached is not None:
            if low <= reached[0] + 0.6 * step and high >= reached[1] - 0.6 * step:
                self._rename(name, source)  # nothing is cut off but what rounding adds
                return []
            if maker is not None and maker.op_type in ("Relu", "Clip"):
                source = maker.input[0]
                low, high = max(low, reached[0]), min(high, reached[1])
        if self._opset < _CLIP_TAKES_INPUTS:
            return [helper.make_node("Clip", [source], [name], min=low, max=high)]
        self.made[f"{name}_low"] = np.asarray(low, np.float32)
        self.made[f"{name}_high"] = np.asarray(high, np.float32)
        label = node.name or name
        return [
            helper.make_node("Clip", [source, f"{name}_low", f"{name}_high"], [name], name=label)
        ]

    def _reach(self, maker: Any) -> tuple[float, float] | None:
        """The ends of what an operator answers, whatever it is given; None for most."""
        if maker is None or maker.op_type not in _ENDS:
            return None
        low, high = _ENDS[maker.op_type]
        if maker.op_type != "Clip":
            return low, high
        limits = {each.name: each.f for each in maker.attribute}
        for key, name in zip(("min", "max"), list(maker.input)[1:], strict=False):
            value = self.made.get(name, self._constants.get(name))
            if name and value is None:
                return None
            if value is not None:
                limits[key] = value.item()
        return limits.get("min", low), limits.get("max", high)

    def _steps(self, node: Any) -> tuple[Values, Values]:
        """(scale, zero point) of a node."""
        if any(name and name not in self._constants for name in list(node.input)[1:3]):
            raise not_here(node, "takes a scale that is computed")
        scale = np.asarray(self._constants[node.input[1]], np.float32)
        if len(node.input) > 2 and node.input[2]:
            return scale, np.asarray(self._constants[node.input[2]])
        wanted = {each.name: each.i for each in node.attribute}.get("output_dtype", 0)
        return scale, np.zeros(scale.shape, _DTYPES.get(wanted, np.uint8))

    def _real(self, node: Any, stored: Values) -> Values:
        scale, zero = self._steps(node)
        scale, zero = _spread(node, stored, scale), _spread(node, stored, np.asarray(zero))
        difference = stored.astype(np.float32) - zero.astype(np.float32)
        return np.asarray(difference * scale, np.float32)

    def _rounded(self, node: Any) -> Values:
        """The real values of a constant after it was quantized."""
        values = self._constants[node.input[0]]
        scale, zero = self._steps(node)
        ends = np.iinfo(zero.dtype)
        scale, zero = _spread(node, values, scale), _spread(node, values, zero)
        steps = np.clip(np.rint(values / scale) + zero, ends.min, ends.max)
        return np.asarray((steps - zero) * scale, np.float32)


def _same(one: tuple[Values, Values], other: tuple[Values, Values]) -> bool:
    return all(
        np.array_equal(np.ravel(first), np.ravel(second))
        for first, second in zip(one, other, strict=True)
    )


def _spread(node: Any, stored: Values, values: Values) -> Values:
    """Scales or zero points in a shape that fits what is stored: one for all, one for each place on
    an axis, or one for each block on it.
    """
    if values.size == 1:
        return values.reshape((1,) * stored.ndim)
    attributes = {each.name: each.i for each in node.attribute}
    axis = min(attributes.get("axis", 1), stored.ndim - 1)
    if attributes.get("block_size"):
        repeated = np.repeat(values, attributes["block_size"], axis=axis)
        return np.take(repeated, np.arange(stored.shape[axis]), axis=axis)
    shape = [1] * stored.ndim
    shape[axis] = values.size
    return values.reshape(shape)
