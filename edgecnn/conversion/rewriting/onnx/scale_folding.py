"""Factors and sums for each channel, folded into the convolution in front of them.

A 1-D convolution of Keras is a 2-D one with an axis put in and taken out again. Batch normalization
stands behind the Squeeze, where nobody folds it: ONNX Runtime and OpenVINO compute it at each
inference, and a quantizer spends a range of its own on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.rewriting.onnx import plain_form

Array = npt.NDArray[Any]


def fold_scales(model: Any) -> int:
    """Fold Mul and Add with a constant for each channel into the Conv in front of them, through a
    Squeeze between; how many convolutions changed. `model` is an ONNX model, changed in place.

    The last tensor of each chain keeps its name. Nothing is folded into weights that others use,
    past a tensor that others take or that is an output, or where types are not float32.
    """
    return _Folding(model).run()


@dataclass
class _Chain:
    """A convolution and what it takes in: of outputs (…) the values times `scale` plus `shift`."""

    nodes: list[Any]
    scale: Array
    shift: Array


class _Folding:
    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self._model, self._graph = model, model.graph
        graph = self._graph
        asked = {value.name for value in graph.input}  # whoever runs the file may give others
        self._stored = {each.name: each for each in graph.initializer if each.name not in asked}
        self._read = numpy_helper.to_array
        self._outputs = {value.name for value in graph.output}
        self._takers: dict[str, list[Any]] = {}
        for node in self._all_nodes():
            for name in node.input:
                self._takers.setdefault(name, []).append(node)

    def _all_nodes(self) -> list[Any]:
        """Those of the graphs inside of operators, which take tensors around them, too."""
        return [node for graph in plain_form.graphs_in(self._model) for node in graph.node]

    def run(self) -> int:
        gone: list[str] = []
        changed = 0
        for conv in [node for node in self._graph.node if node.op_type == "Conv"]:
            squeeze, chain = self._behind(conv)
            if chain is None or not self._fold(conv, chain):
                continue
            end = chain.nodes[-1].output[0]
            gone += [node.output[0] for node in chain.nodes]
            source = squeeze or conv
            source.output[0] = end
            changed += 1
        if changed:
            left = [node for node in self._graph.node if not _is_folded(node, gone)]
            plain_form.set_nodes(self._graph, left)
            self._forget_what_is_gone()
        return changed

    def _behind(self, conv: Any) -> tuple[Any | None, _Chain | None]:
        """(the Squeeze behind a convolution, the chain of factors and sums behind that)."""
        weights = self._constant(conv.input[1], alone=True) if len(conv.input) > 1 else None
        if weights is None:
            return None, None
        channels, rank = weights.shape[0], weights.ndim
        node, squeeze = self._only_taker(conv.output[0]), None
        if node is not None and node.op_type == "Squeeze":
            axes = self._axes(node)
            if axes is None or any(axis % rank < 2 for axis in axes):
                return None, None
            squeeze, rank = node, rank - len(axes)
            node = self._only_taker(node.output[0])
        chain = _Chain([], np.ones(channels), np.zeros(channels))
        while node is not None and node.op_type in ("Mul", "Add"):
            values = self._for_channels(node, channels, rank)
            if values is None:
                break
            if node.op_type == "Mul":
                chain.scale, chain.shift = chain.scale * values, chain.shift * values
            else:
                chain.shift = chain.shift + values
            chain.nodes.append(node)
            node = self._only_taker(node.output[0])
        return squeeze, chain if chain.nodes else None

    def _fold(self, conv: Any, chain: _Chain) -> bool:
        from onnx import numpy_helper

        weights = self._constant(conv.input[1], alone=True)
        has_bias = len(conv.input) > 2 and bool(conv.input[2])
        bias = self._constant(conv.input[2]) if has_bias else np.zeros(len(chain.scale), np.float32)
        if weights is None or bias is None:
            return False
        by_output = chain.scale.reshape(-1, *[1] * (weights.ndim - 1))
        values = (weights.astype(np.float64) * by_output).astype(np.float32)
        self._stored[conv.input[1]].CopyFrom(numpy_helper.from_array(values, conv.input[1]))
        name = f"{conv.input[1]}_shift"
        shifted = (bias.astype(np.float64) * chain.scale + chain.shift).astype(np.float32)
        self._graph.initializer.append(numpy_helper.from_array(shifted, name))
        del conv.input[2:]
        conv.input.append(name)
        return True

    def _only_taker(self, name: str) -> Any | None:
        takers = self._takers.get(name, ())
        return takers[0] if len(takers) == 1 and name not in self._outputs else None

    def _constant(self, name: str, *, alone: bool = False) -> Array | None:
        """A float32 constant; None where `name` is not one, or others use it too."""
        stored = self._stored.get(name)
        if stored is None or (alone and len(self._takers.get(name, ())) != 1):
            return None
        values = np.asarray(self._read(stored))
        return values if values.dtype == np.float32 else None

    def _axes(self, squeeze: Any) -> Sequence[int] | None:
        """Which axes a Squeeze takes out; None where that is not known."""
        if len(squeeze.input) > 1:
            stored = self._stored.get(squeeze.input[1])
            return None if stored is None else [int(axis) for axis in self._read(stored).ravel()]
        return next((list(each.ints) for each in squeeze.attribute if each.name == "axes"), None)

    def _for_channels(self, node: Any, channels: int, rank: int) -> Array | None:
        """(channels,) the constant of a Mul or Add that differs along axis 1 alone."""
        constants = [self._constant(name) for name in node.input]
        values = next((each for each in constants if each is not None), None)
        if values is None or values.ndim > rank:
            return None
        shape = (1,) * (rank - values.ndim) + values.shape
        if any(size != 1 for axis, size in enumerate(shape) if axis != 1):
            return None
        if shape[1] not in (1, channels):
            return None
        return np.broadcast_to(values.astype(np.float64).ravel(), (channels,))

    def _forget_what_is_gone(self) -> None:
        """Shapes of tensors and constants that no operator knows any more."""
        nodes = self._all_nodes()
        known = {name for node in nodes for name in node.output}
        taken = {name for node in nodes for name in node.input} | self._outputs
        loose = {each.name for each in self._graph.initializer} - self._takers.keys()
        _leave(self._graph.value_info, known)
        _leave(self._graph.initializer, taken | loose)


def _leave(values: Any, names: Collection[str]) -> None:
    """Leave those with these names in a repeated field."""
    left = [each for each in values if each.name in names]
    kept = [type(each).FromString(each.SerializeToString()) for each in left]
    del values[:]
    values.extend(kept)


def _is_folded(node: Any, gone: Sequence[str]) -> bool:
    return node.op_type in ("Mul", "Add") and node.output[0] in gone
