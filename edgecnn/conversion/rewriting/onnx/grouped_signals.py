"""Grouped convolutions over signals as convolutions over images of one row: onnx2tf writes the
latter, and leaves the former as operators that no runtime has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.conversion.rewriting.onnx.plain_form import set_nodes


def with_rows(model: Any) -> None:
    """Give grouped one-dimensional convolutions of an ONNX model a second dimension, of size 1."""
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    axes = "edgecnn.row_axis"
    before, behind = {}, {}
    for node in graph.node:
        kernel = weights.get(node.input[1]) if node.op_type == "Conv" else None
        groups = next((each.i for each in node.attribute if each.name == "group"), 1)
        if kernel is None or len(kernel.dims) != 3 or groups < 2 or kernel.dims[1] == 1:
            continue
        given, made = node.input[0], node.output[0]
        rows, wide, flat = f"{made}_rows", f"{made}_wide", f"{kernel.name}_of_{made}"
        values = np.expand_dims(numpy_helper.to_array(kernel), 2)
        graph.initializer.append(numpy_helper.from_array(values, flat))
        before[made] = helper.make_node("Unsqueeze", [given, axes], [rows])
        behind[made] = helper.make_node("Squeeze", [wide, axes], [made])
        node.input[0], node.input[1], node.output[0] = rows, flat, wide
        _widen(node)
    if not before:
        return
    graph.initializer.append(numpy_helper.from_array(np.asarray([2], np.int64), axes))
    nodes = []
    for node in graph.node:
        made = node.output[0].removesuffix("_wide") if node.output else ""
        around = (before.get(made), behind.get(made)) if node.op_type == "Conv" else (None, None)
        nodes += [one for one in (around[0], node, around[1]) if one is not None]
    set_nodes(graph, nodes)
    used = {name for node in graph.node for name in node.input}
    for name in set(weights) - used:
        graph.initializer.remove(weights[name])


def _widen(node: Any) -> None:
    """Attributes of a convolution over one axis, for two."""
    for attribute in node.attribute:
        sizes = list(attribute.ints)
        if attribute.name in ("kernel_shape", "strides", "dilations"):
            wider = [1, *sizes]
        elif attribute.name == "pads":
            wider = [0, sizes[0], 0, sizes[1]]
        else:
            continue
        del attribute.ints[:]
        attribute.ints.extend(wider)
