"""Test whether TensorFlow's TFLite converter supports an operator, by converting it alone."""

from __future__ import annotations

from typing import Any

from edgecnn.conversion.boundary import converter
from edgecnn.errors import InputError

_LARGEST_CONSTANT = 1 << 16
"""Elements; larger ones (weights) become inputs of the trial."""


def converts_alone(operation: Any) -> bool:
    """Whether a graph of this tf.Operation alone, with inputs of the same kinds, converts.

    Small constants stay constants. True where the trial itself cannot be made.
    """
    try:
        concrete = _alone(operation)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError):
        return True
    if concrete is None:
        return True
    try:
        with converter("a trial"):
            import tensorflow as tf

            tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    except InputError:
        return False
    return True


def _alone(operation: Any) -> Any:
    """A concrete function of the operator; None where it cannot be cut out."""
    import tensorflow as tf
    from tensorflow.core.framework import graph_pb2

    if any(value.HasField("func") or value.list.func for value in operation.node_def.attr.values()):
        return None
    definition = graph_pb2.GraphDef()
    definition.versions.CopyFrom(operation.graph.graph_def_versions)
    node = definition.node.add()
    node.CopyFrom(operation.node_def)
    node.name, node.device = "tried", ""
    del node.input[:]
    fed = []
    for index, tensor in enumerate(operation.inputs):
        name = f"given_{index}"
        node.input.append(name)
        given = definition.node.add()
        if _is_small_constant(tensor):
            given.CopyFrom(tensor.op.node_def)
            given.device = ""
            del given.input[:]
        else:
            given.op = "Placeholder"
            given.attr["dtype"].type = tensor.dtype.as_datatype_enum
            given.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
            fed.append(name)
        given.name = name
    if not fed or not operation.outputs:
        return None
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(definition, name=""), []
    )
    graph = wrapped.graph
    return wrapped.prune(
        [graph.get_tensor_by_name(f"{name}:0") for name in fed],
        [graph.get_tensor_by_name(f"tried:{index}") for index in range(len(operation.outputs))],
    )


def _is_small_constant(tensor: Any) -> bool:
    size = tensor.shape.num_elements()
    return tensor.op.type == "Const" and size is not None and size <= _LARGEST_CONSTANT
