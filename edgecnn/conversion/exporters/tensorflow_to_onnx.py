"""TensorFlow → float32 `.onnx`, with tf2onnx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.rewriting.onnx.scale_folding import fold_scales
from edgecnn.registry import require

if TYPE_CHECKING:
    from edgecnn.conversion.sources.tensorflow import TensorFlowSource

OPSET = 18
"""The newest operator set that tf2onnx 1.17 writes."""

BATCH = "batch"
"""Name of the open first dimension."""

_HINT = "the model uses an operation that tf2onnx does not know; a tflite target may take it"


def write_float_onnx(source: TensorFlowSource, path: Path) -> None:
    """Convert to `path` with an open batch dimension.

    `tf2onnx.convert.from_keras` fails on Keras 3 models, so a traced function is converted.
    Inputs stay channels last, as in Keras: the file takes what the preprocessing gives.

    Raises InputError when the converter cannot take the model.
    """
    require("tf2onnx", "convert")
    with converter("tf2onnx", _HINT):
        import onnx
        import tf2onnx

        frozen = frozen_graph(source.traced(None))
        inputs = [tensor.name for tensor in frozen.inputs]
        outputs = [tensor.name for tensor in frozen.outputs]
        model, _ = tf2onnx.convert.from_graph_def(
            graph_def_of(frozen),
            name=source.name,
            input_names=inputs,
            output_names=outputs,
            opset=OPSET,
            custom_op_handlers={name: (write, []) for name, write in WRITTEN_HERE.items()},
            tensors_to_rename={
                **dict(zip(inputs, source.input_names, strict=True)),
                **dict(zip(outputs, source.output_names, strict=True)),
            },
        )
        _order(model.graph.input, source.input_names)
        _order(model.graph.output, source.output_names)
        _name_batch(model)
        fold_scales(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))


def frozen_graph(concrete: Any) -> Any:
    """A concrete function whose variables, and the tensors that it captured, are constants.

    tf2onnx would make inputs of captured tensors (the mean of a Normalization layer, say).
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(
        concrete, lower_control_flow=False, aggressive_inlining=True
    )


def graph_def_of(frozen: Any) -> Any:
    """Its graph as a protocol buffer, corrected where freezing leaves variables in loops."""
    from tf2onnx import tf_loader

    return tf_loader.fix_freezing_errors_part2(frozen.graph.as_graph_def(add_shapes=True))


def _erfc(ctx: Any, node: Any, name: str, _args: Sequence[Any]) -> None:
    """1 − erf(x): the exact GELU asks for erfc, which ONNX does not have."""
    _difference_from_one(ctx, node, name, "Erf", one_first=True)


def _expm1(ctx: Any, node: Any, name: str, _args: Sequence[Any]) -> None:
    """exp(x) − 1 (CELU asks for it)."""
    _difference_from_one(ctx, node, name, "Exp", one_first=False)


def _difference_from_one(ctx: Any, node: Any, name: str, operator: str, *, one_first: bool) -> None:
    """Put 1 − operator(x), or operator(x) − 1, in place of a node."""
    import numpy as np
    from tf2onnx import utils

    shape, dtype = ctx.get_shape(node.output[0]), ctx.get_dtype(node.output[0])
    outputs = list(node.output)
    ctx.remove_node(node.name)
    one = ctx.make_const(utils.make_name(name), np.ones((), utils.map_onnx_to_numpy_type(dtype)))
    value = ctx.make_node(operator, list(node.input), shapes=[shape], dtypes=[dtype])
    pair = (one, value) if one_first else (value, one)
    ctx.make_node(
        "Sub", [each.output[0] for each in pair], outputs=outputs, name=name, shapes=[shape],
        dtypes=[dtype],
    )  # fmt: skip


WRITTEN_HERE = {"Erfc": _erfc, "Expm1": _expm1}
"""Operators of TensorFlow that tf2onnx 1.17 does not know."""


def _order(values: Any, names: Sequence[str]) -> None:
    """Put a graph's inputs or outputs into the order of `names`."""
    by_name = {value.name: value for value in values}
    ordered = [by_name[name] for name in names]
    del values[:]
    values.extend(ordered)


def _name_batch(model: Any) -> None:
    """Call the open dimension by its name instead of tf2onnx's "unk__50"."""
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and not dimensions[0].dim_value:
            dimensions[0].dim_param = BATCH
