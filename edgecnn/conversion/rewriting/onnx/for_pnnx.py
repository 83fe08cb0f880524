"""ONNX graphs in the words that pnnx understands, the same numbers.

- pnnx 20261020 loses the axis of a reduction over one axis: it gets a second axis of size 1.
- It runs the graph on made-up inputs, ids outside of their tables among them, and dies; and ncnn
  has none of the operators by which Keras wraps ids around. So ids that do nothing but look up
  rows of a table are cut off, and the lookup is given to ncnn as a layer of its own.
- It leaves a transposed convolution whose pads differ before and behind as it is, and ncnn has no
  such layer: what the pads cut off unevenly is cut off behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_REDUCTIONS = {
    *("ReduceMean", "ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2"),
    *("ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"),
}
_FAR = np.iinfo(np.int32).max
"""Where a slice ends that takes all that is left."""
_ON_THE_WAY = {
    *("Cast", "Add", "Sub", "Mul", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"),
    *("Not", "Where", "And", "Or", "Identity", "Mod", "Clip", "Max", "Min"),
}
"""Operators between ids and the table that they are looked up in."""


@dataclass(frozen=True)
class Lookup:
    """An input of ids, the table it looks up, and what the graph calls the rows instead."""

    name: str
    rows: str
    table: npt.NDArray[np.float32]


def with_initializers(model: Any) -> None:
    """Turn Constant nodes into initializers, which is where values are looked for."""
    for node in list(model.graph.node):
        if node.op_type != "Constant" or node.domain:
            continue
        (value,) = [each for each in node.attribute if each.name == "value"] or (None,)
        if value is None:
            continue
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(value.t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)


def with_two_axes(model: Any) -> None:
    """Give reductions over one axis a second one, of size 1."""
    from onnx import helper, numpy_helper, shape_inference

    shapes = shape_inference.infer_shapes(model).graph
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*shapes.value_info, *shapes.input, *shapes.output)
        if value.type.tensor_type.HasField("shape")
    }
    constants = {each.name: each for each in model.graph.initializer}
    reshapes = any(not each.domain and each.version >= 13 for each in model.opset_import)
    for node in list(model.graph.node):
        if node.op_type not in _REDUCTIONS or node.input[0] not in ranks:
            continue
        axes = _axes(node, constants, numpy_helper)
        if len(axes) != 1:
            continue
        (axis,) = axes
        axis += ranks[node.input[0]] if axis < 0 else 0
        keeps = next((a.i for a in node.attribute if a.name == "keepdims"), 1)
        added = f"{node.output[0]}_added"
        output = f"{node.output[0]}_wide" if keeps else node.output[0]
        as_input = not any(each.name == "axes" for each in node.attribute)
        place = list(model.graph.node).index(node)
        new = [
            _node(model, "Unsqueeze", node.input[0], added, [axis + 1], as_input=reshapes),
            _node(model, node.op_type, added, output, [axis, axis + 1], as_input=as_input),
        ]
        new[1].name = node.name
        new[1].attribute.append(helper.make_attribute("keepdims", keeps))
        if keeps:
            new.append(
                _node(model, "Squeeze", output, node.output[0], [axis + 1], as_input=reshapes)
            )
        model.graph.node.remove(node)
        for offset, each in enumerate(new):
            model.graph.node.insert(place + offset, each)


def with_even_pads(model: Any) -> None:
    """Give transposed convolutions the same pads before and behind, and cut off the rest."""
    from onnx import helper, numpy_helper

    for node in list(model.graph.node):
        known = {each.name: each for each in node.attribute}
        if node.op_type != "ConvTranspose" or "pads" not in known or "output_shape" in known:
            continue
        pads = list(known["pads"].ints)
        begins, ends = pads[: len(pads) // 2], pads[len(pads) // 2 :]
        if begins == ends:
            continue
        even = [min(pair) for pair in zip(begins, ends, strict=True)]
        node.attribute.remove(known["pads"])
        node.attribute.append(helper.make_attribute("pads", even * 2))
        output = node.output[0]
        node.output[0] = f"{output}_uncut"
        cuts = {
            "starts": [begin - each for begin, each in zip(begins, even, strict=True)],
            "ends": [each - end or _FAR for end, each in zip(ends, even, strict=True)],
            "axes": [axis + 2 for axis in range(len(even))],
        }
        names = [f"{output}_{name}" for name in cuts]
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(values, np.int64), name)
            for name, values in zip(names, cuts.values(), strict=True)
        )
        place = list(model.graph.node).index(node) + 1
        model.graph.node.insert(
            place, helper.make_node("Slice", [node.output[0], *names], [output])
        )


def with_split_sizes(model: Any) -> None:
    """Say the sizes of equal parts, without which pnnx writes a layer that ncnn dies of."""
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input)
    }
    as_input = any(not each.domain and each.version >= 13 for each in model.opset_import)
    for node in model.graph.node:
        known = {each.name: each.i for each in node.attribute}
        sizes = shapes.get(node.input[0], []) if node.op_type == "Split" else []
        if not as_input or not sizes or len([name for name in node.input if name]) > 1:
            continue
        whole, count = sizes[known.get("axis", 0)], len(node.output)
        part = -(-whole // count)
        parts = [min(part, whole - part * place) for place in range(count)]
        if min(parts) < 1:
            continue
        name = f"{node.output[0]}_sizes"
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(parts, np.int64), name))
        node.input[:] = [node.input[0], name]
        for each in [each for each in node.attribute if each.name == "num_outputs"]:
            node.attribute.remove(each)


def _node(model: Any, kind: str, given: str, made: str, axes: list[int], *, as_input: bool) -> Any:
    """A node with axes, which old versions of an operator have as an attribute."""
    from onnx import helper, numpy_helper

    if not as_input:
        return helper.make_node(kind, [given], [made], axes=axes)
    name = f"{made}_axes"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(axes, np.int64), name))
    return helper.make_node(kind, [given, name], [made])


def cut_lookups(model: Any) -> tuple[Lookup, ...]:
    """Take inputs of ids off the graph, each of which does nothing but look up rows of one table;
    in their place the graph gets an input of rows.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    cuts = []
    for value in list(graph.input):
        kind = value.type.tensor_type
        if value.name in constants or kind.elem_type not in (TensorProto.INT32, TensorProto.INT64):
            continue
        before, lookups = _reached(graph, value.name, constants)
        if len(lookups) != 1:
            continue
        (lookup,) = lookups
        table = numpy_helper.to_array(constants[lookup.input[0]]).astype(np.float32)
        rows = f"{value.name}_rows"
        sizes = [d.dim_value or d.dim_param for d in kind.shape.dim]
        _rename_input(graph, lookup.output[0], rows)
        for node in (*before, lookup):
            graph.node.remove(node)
        graph.input.remove(value)
        graph.input.append(
            helper.make_tensor_value_info(rows, TensorProto.FLOAT, [*sizes, table.shape[1]])
        )
        cuts.append(Lookup(value.name, rows, table))
    return tuple(cuts)


def _reached(graph: Any, name: str, constants: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """(what stands between an input and its lookups, the lookups); no lookups where the input
    goes elsewhere, too.
    """
    reached, before, lookups = {name}, [], []
    for node in graph.node:
        used = [each for each in node.input if each in reached]
        if not used:
            continue
        others = [each for each in node.input if each and each not in reached]
        if node.op_type == "Gather" and len(used) == 1 and node.input[1] in reached:
            tables = constants.get(node.input[0])
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            if tables is None or len(tables.dims) != 2 or axis:
                return [], []
            lookups.append(node)
        elif node.op_type in _ON_THE_WAY and all(each in constants for each in others):
            before.append(node)
            reached.update(node.output)
        else:
            return [], []
    return before, lookups


def _rename_input(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def _axes(node: Any, constants: dict[str, Any], numpy_helper: Any) -> list[int]:
    given = [list(each.ints) for each in node.attribute if each.name == "axes"]
    if given:
        return [int(axis) for axis in given[0]]
    if len(node.input) > 1 and node.input[1] in constants:
        return [int(axis) for axis in numpy_helper.to_array(constants[node.input[1]]).ravel()]
    return []
