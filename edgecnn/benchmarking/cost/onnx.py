"""The cost of an .onnx model; shapes come from ONNX's own inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.cost.graph import (
    CostedGraph,
    CostedOperator,
    GraphCost,
    Tensor,
    UncountableError,
    refuse,
)
from edgecnn.errors import InputError
from edgecnn.registry import require
from edgecnn.runtimes.declared import samples_of

_VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Shape",
          "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Clip", "HardSwish", "Elu", "Gelu",
          "HardSigmoid", "Sigmoid", "Tanh"}  # fmt: skip
_AFFINE = {"Add", "Sub", "Mul", "Div"}
_UNKNOWN = {"LSTM", "GRU", "RNN", "Loop", "If", "Scan", "Einsum", "Attention", "DeformConv"}
# Which inputs are data that count as parameters where they are constant; None stands for all.
_WEIGHTS: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger"), (1, 2)),
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger"), (0, 1, 2)),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "PRelu", "Pow", "Where", "Concat"), None),
    "BatchNormalization": (1, 2, 3, 4),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization", "LayerNormalization"), (1, 2)),
    "Gather": (0,),
}


def count(path: Path) -> GraphCost:
    """Count the main graph.

    Raises MissingDependencyError without the onnx package, InputError for a damaged file,
    UncountableError.
    """
    onnx = require("onnx", "onnx")
    shape_inference = require("onnx.shape_inference", "onnx")
    protobuf = require("google.protobuf.message", "onnx")
    try:
        model = onnx.load(str(path), load_external_data=False)
        _fix_batch(model.graph)
        model = shape_inference.infer_shapes(model, data_prop=True)
        return _graph(onnx, model.graph, samples_of(path, 1)).cost()
    except (
        protobuf.DecodeError,
        shape_inference.InferenceError,
        OSError,
        ValueError,  # more than protocol buffers hold, a dtype that ONNX does not know
        IndexError,  # an operator without the inputs it needs, a tensor of too low a rank
        KeyError,  # a name that nobody produces
    ) as error:
        raise InputError(f"{path.name}: not a complete ONNX model ({error})") from error


def _fix_batch(graph: Any) -> None:
    """Give an open batch dimension, the same name everywhere, the size 1."""
    constants = {constant.name for constant in graph.initializer}
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if value.name not in constants and dimensions and not dimensions[0].dim_value:
            dimensions[0].dim_value = 1
    for value in (*graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if not dimension.dim_value:
                dimension.Clear()


def _graph(onnx: Any, graph: Any, samples: int) -> CostedGraph:
    refuse(node.op_type for node in graph.node if node.op_type in _UNKNOWN)
    refuse(
        f"{node.domain}.{node.op_type}" for node in graph.node if node.domain not in ("", "ai.onnx")
    )
    constants = dict(_constants(onnx, graph))
    known_tensors = {**dict(_values(onnx, graph)), **constants}
    inputs = [value.name for value in graph.input if value.name not in constants]
    nodes = [node for node in graph.node if node.op_type != "Constant"]
    operators = [_operator(node, known_tensors) for node in nodes]
    # Constant branches and shape arithmetic may have no shape; they move nothing to speak of.
    tensors = {
        name: known_tensors[name]
        for operator in operators
        for name in (*operator.inputs, *operator.outputs)
        if name in known_tensors
    } | {name: known_tensors[name] for name in inputs if name in known_tensors}
    missing = {
        name
        for operator in operators
        if operator.role != "view"
        for name in operator.outputs
        if name not in tensors
    }
    if missing:
        raise UncountableError(f"the shape of {sorted(missing)[0]} is not known before it runs")
    return CostedGraph(tensors, operators, inputs, samples)


def _constants(onnx: Any, graph: Any) -> Iterator[tuple[str, Tensor]]:
    for constant in graph.initializer:
        yield constant.name, Tensor(tuple(constant.dims), _dtype(onnx, constant.data_type), True)
    for node in graph.node:
        if node.op_type == "Constant":
            value = next((item.t for item in node.attribute if item.name == "value"), None)
            shape = tuple(value.dims) if value is not None else ()
            kind = value.data_type if value is not None else onnx.TensorProto.FLOAT
            yield node.output[0], Tensor(shape, _dtype(onnx, kind), True)


def _values(onnx: Any, graph: Any) -> Iterator[tuple[str, Tensor]]:
    for value in (*graph.value_info, *graph.input, *graph.output):
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            continue
        shape = tuple(int(dimension.dim_value) for dimension in tensor.shape.dim)
        if all(shape):
            yield value.name, Tensor(shape, _dtype(onnx, tensor.elem_type))


def _dtype(onnx: Any, kind: int) -> str:
    name: str = onnx.TensorProto.DataType.Name(kind).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def _operator(node: Any, known: Mapping[str, Tensor]) -> CostedOperator:
    kind = node.op_type
    into = [known.get(name) for name in node.input]
    macs = 0
    if kind in _MACS:
        out = known.get(node.output[0])
        if out is None or None in into[: 2 if not kind.startswith("QLinear") else 4]:
            raise UncountableError(f"the shapes around {kind} {node.name} are not known")
        macs = _MACS[kind](node, [tensor for tensor in into if tensor is not None], out)
    wanted = _WEIGHTS.get(kind, ())
    numbers = range(len(node.input)) if wanted is None else wanted
    weights = tuple(node.input[number] for number in numbers if number < len(node.input))
    role = "compute" if macs else "view" if kind in _VIEWS else "move"
    if kind in _AFFINE:
        role = "affine"
    role = {"QuantizeLinear": "quantize", "DequantizeLinear": "dequantize"}.get(kind, role)
    return CostedOperator(
        kind,
        tuple(name for name in node.input if name),
        tuple(name for name in node.output if name in known or name == node.output[0]),
        role,
        macs,
        weights,
    )


def _convolution(_node: Any, inputs: Sequence[Tensor], out: Tensor) -> int:
    return out.size * prod(inputs[1].shape[1:])  # weights (out, in a group, …)


def _quantized_convolution(_node: Any, inputs: Sequence[Tensor], out: Tensor) -> int:
    return out.size * prod(inputs[3].shape[1:])


def _transposed(_node: Any, inputs: Sequence[Tensor], _out: Tensor) -> int:
    return inputs[0].size * prod(inputs[1].shape[1:])  # weights (in, out a group, …)


def _gemm(node: Any, inputs: Sequence[Tensor], out: Tensor) -> int:
    transposed = any(item.name == "transA" and item.i for item in node.attribute)
    return out.size * inputs[0].shape[0 if transposed else 1]


def _product(_node: Any, inputs: Sequence[Tensor], out: Tensor) -> int:
    return out.size * inputs[0].shape[-1]


_MACS: Mapping[str, Callable[[Any, Sequence[Tensor], Tensor], int]] = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "QLinearConv": _quantized_convolution,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
}
