"""Operators that newer opsets added, written out in older ones as ONNX itself defines them.

Runtimes follow an opset in a year or two; the converters of other formats later, or never.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_NEW = ("Attention", "RMSNormalization", "RotaryEmbedding")
_LEFT = ("CastLike",)
"""What the definitions themselves call, and converters do not have either."""


def written_out(model: Any, also: Collection[str] = ()) -> Any:
    """The model without operators of opset 23 and later, and without those that `also` names; as
    it was where ONNX cannot say them in older ones.
    """
    import onnx
    from onnx import inliner, numpy_helper

    _write_out_swish(model.graph)
    unwanted = (*_NEW, *also)
    if not {node.op_type for node in model.graph.node} & set(unwanted):
        return model
    for names in (unwanted, _LEFT):
        wanted = [("", name) for name in names]
        try:
            typed = _typed(model)
            model = inliner.inline_selected_functions(typed, wanted, inline_schema_functions=True)
        except (RuntimeError, onnx.shape_inference.InferenceError):
            break
    _fold_constants(model, numpy_helper)
    return model


def _write_out_swish(graph: Any) -> None:
    """x · sigmoid(alpha · x), where ONNX's own definition forgets an alpha that is not said."""
    import numpy as np
    from onnx import helper, numpy_helper

    for place, node in reversed(list(enumerate(graph.node))):
        if node.op_type != "Swish":
            continue
        (given,), (made,) = node.input, node.output
        alpha = next((each.f for each in node.attribute if each.name == "alpha"), 1.0)
        scaled, gate, factor = given, f"{made}_gate", f"{made}_alpha"
        new = []
        if alpha != 1.0:
            scaled = f"{made}_scaled"
            array = np.asarray(alpha, np.float32)
            graph.initializer.append(numpy_helper.from_array(array, factor))
            new.append(helper.make_node("Mul", [given, factor], [scaled]))
        new.append(helper.make_node("Sigmoid", [scaled], [gate]))
        new.append(helper.make_node("Mul", [given, gate], [made]))
        graph.node.remove(node)
        for offset, each in enumerate(new):
            graph.node.insert(place + offset, each)


def _typed(model: Any) -> Any:
    """With the types of all values, those of the weights among them."""
    import onnx

    typed = onnx.shape_inference.infer_shapes(model)
    known = {value.name for value in (*typed.graph.value_info, *typed.graph.input)}
    for tensor in typed.graph.initializer:
        if tensor.name not in known:
            kind = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            typed.graph.value_info.append(kind)
    return typed


def _fold_constants(model: Any, numpy_helper: Any) -> None:
    """Constants become initializers, which is where converters look for axes and sizes."""
    for node in list(model.graph.node):
        values = [each for each in node.attribute if each.name == "value"]
        if node.op_type == "Constant" and values:
            array = numpy_helper.to_array(values[0].t)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
            model.graph.node.remove(node)
