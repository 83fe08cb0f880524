"""Operators of an ONNX file that a converter lacks or gets wrong, in words that it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.rewriting.onnx.new_operators import written_out
from edgecnn.conversion.rewriting.onnx.plain_form import opset_of

_NORM = 1e-12
_BY_CHANNEL = 21
"""The opset from which on GroupNormalization has a scale for each channel, not for each group."""

Values = npt.NDArray[Any]


def spelled_out(
    model: Any, by_definition: Iterable[str] = (), *, groups: bool = True, norms: bool = True
) -> Any:
    """The model without the operators `by_definition`, which are written out as ONNX defines them.

    With `groups`, group normalization is written out, too; without, its scales are those of
    opset 21. With `norms`, so is the division by a norm.
    """
    opset = opset_of(model)
    model = written_out(model, tuple(name for name in by_definition if opset >= _first(name)))
    if groups:
        _group_by_reshaping(model, opset)
    else:
        _scale_each_channel(model, opset)
    if norms:
        _divide_by_norms(model)
    return model


def _first(name: str) -> int:
    """The opset from which on ONNX defines an operator by others."""
    return 18 if name.startswith("Reduce") else 1


def _scale_each_channel(model: Any, opset: int) -> None:
    """Give group normalization of opset 18 a scale for each channel, as newer readers take it."""
    if opset >= _BY_CHANNEL:
        return
    shapes = _shapes(model)
    for node in _nodes(model, "GroupNormalization"):
        channels = shapes.get(node.input[0], ())[1:2]
        constants = [_constant(model, name) for name in list(node.input)[1:3]]
        if not channels or any(values is None for values in constants):
            continue
        for place, values in enumerate(constants, start=1):
            name = f"{node.output[0]}_by_channel_{place}"
            node.input[place] = _added(model, name, _spread(values, channels[0]))


def _group_by_reshaping(model: Any, opset: int) -> None:
    """Write group normalization as PyTorch exports it: instance normalization of rows, one a group,
    then a scale and an offset for each channel.
    """
    from onnx import helper

    shapes = _shapes(model)
    for node in _nodes(model, "GroupNormalization"):
        source, output = node.input[0], node.output[0]
        sizes = shapes.get(source, ())
        constants = [_constant(model, name) for name in list(node.input)[1:3]]
        if len(sizes) < 3 or not all(sizes[1:]) or any(values is None for values in constants):
            continue
        flags = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        groups, channels = int(flags["num_groups"]), sizes[1]
        if opset < _BY_CHANNEL:
            constants = [_spread(values, channels) for values in constants]
        column = (channels, *[1] * (len(sizes) - 2))
        names = {
            key: _added(model, f"{output}_{key}", value)
            for key, value in {
                "rows": np.asarray([0, groups, -1]),
                "ones": np.ones(groups, np.float32),
                "none": np.zeros(groups, np.float32),
                "sizes": np.asarray([0, *sizes[1:]]),
                "scale": constants[0].reshape(column),
                "offset": constants[1].reshape(column),
            }.items()
        }
        inner = [f"{output}_{part}" for part in ("grouped", "even", "whole", "scaled")]
        epsilon = float(flags.get("epsilon", 1e-5))
        _replaced(
            model,
            node,
            [
                helper.make_node("Reshape", [source, names["rows"]], [inner[0]]),
                helper.make_node(
                    "InstanceNormalization",
                    [inner[0], names["ones"], names["none"]],
                    [inner[1]],
                    name=node.name,
                    epsilon=epsilon,
                ),
                helper.make_node("Reshape", [inner[1], names["sizes"]], [inner[2]]),
                helper.make_node("Mul", [inner[2], names["scale"]], [inner[3]]),
                helper.make_node("Add", [inner[3], names["offset"]], [output]),
            ],
        )


def _divide_by_norms(model: Any) -> None:
    """Write LpNormalization as a division by the norm, which is never 0."""
    from onnx import helper

    as_input = opset_of(model) >= 18
    for node in _nodes(model, "LpNormalization"):
        flags = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        given, output = node.input[0], node.output[0]
        norm, least = f"{output}_norm", f"{output}_some"
        axis, kind = int(flags.get("axis", -1)), f"ReduceL{flags.get('p', 2)}"
        if as_input:
            axes = _added(model, f"{output}_axes", np.asarray([axis]))
            reduction = helper.make_node(kind, [given, axes], [norm], keepdims=1)
        else:
            reduction = helper.make_node(kind, [given], [norm], keepdims=1, axes=[axis])
        smallest = _added(model, f"{output}_smallest", np.asarray(_NORM, np.float32))
        _replaced(
            model,
            node,
            [
                reduction,
                helper.make_node("Max", [norm, smallest], [least]),
                helper.make_node("Div", [given, least], [output], name=node.name),
            ],
        )


def _nodes(model: Any, kind: str) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == kind and not node.domain]


def _spread(values: Values, channels: int) -> Values:
    """One value a group as one a channel."""
    return np.repeat(values, max(channels // values.size, 1))


def _constant(model: Any, name: str) -> Any:
    """The values of a weight; None for what is computed."""
    from onnx import numpy_helper

    tensors = [each for each in model.graph.initializer if each.name == name]
    tensors += [
        each.t
        for node in model.graph.node
        if node.op_type == "Constant" and name in node.output
        for each in node.attribute
        if each.name == "value"
    ]
    return numpy_helper.to_array(tensors[0]) if tensors else None


def _added(model: Any, name: str, values: Values) -> str:
    """The name of a constant that the model gets."""
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name


def _replaced(model: Any, node: Any, new: list[Any]) -> None:
    place = list(model.graph.node).index(node)
    model.graph.node.remove(node)
    for offset, each in enumerate(new):
        model.graph.node.insert(place + offset, each)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Sizes by the name of a tensor, 0 for open ones."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: tuple(int(size.dim_value) for size in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
