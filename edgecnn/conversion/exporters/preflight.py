"""Check a traced graph before a slow conversion.

Operators that the target's format does not have are named, with the layer that they are from.
tf2onnx has a table of what it writes. TensorFlow's TFLite converter has none that can be read:
operators that are not known to work are converted alone, each in a graph of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import EdgeCNNError, InputError, UnsupportedError
from edgecnn.text import words

if TYPE_CHECKING:
    from edgecnn.conversion.sources.tensorflow import TensorFlowSource
    from edgecnn.conversion.targets import Target

_LOOPS = frozenset({"While", "StatelessWhile"})
_NAMED = 3
"""Operators that a message names."""
_NUMBER = re.compile(r"_\d+$")
_TF_OPERATOR = re.compile(r"\btf\.([A-Z]\w+)")

_SIDE = words(
    "Placeholder PlaceholderWithDefault Const NoOp Assert CheckNumerics StopGradient "
    "PartitionedCall StatefulPartitionedCall RandomUniform RandomStandardNormal "
    "ReadVariableOp VarHandleOp _Arg _Retval"
)
"""What is inlined, dropped, or rewritten before operators are mapped."""

_IN_TFLITE = words(
    "Abs Add AddN AddV2 All Any ArgMax ArgMin AvgPool BatchMatMul BatchMatMulV2 BatchToSpaceND "
    "BiasAdd BroadcastArgs BroadcastTo Cast Ceil Concat ConcatV2 Conv2D Conv2DBackpropInput "
    "Conv3D Conv3DBackpropInputV2 Cos Cumsum DepthToSpace DepthwiseConv2dNative Div Elu Equal "
    "Erf Erfc Exp ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNormV3 Gather GatherNd "
    "GatherV2 Greater GreaterEqual Identity IdentityN If LeakyRelu Less LessEqual Log Log1p "
    "LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool MaxPool3D AvgPool3D Maximum "
    "Mean Min Minimum MirrorPad Mul Neg NotEqual OneHot Pack Pad PadV2 Pow Range Rank RealDiv "
    "Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select "
    "SelectV2 Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToBatchND "
    "SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StatelessIf StatelessWhile "
    "StridedSlice Sub Sum Tan Tanh TensorListConcatV2 TensorListElementShape "
    "TensorListFromTensor TensorListGetItem TensorListLength TensorListPopBack "
    "TensorListPushBack TensorListReserve TensorListResize TensorListSetItem TensorListStack "
    "Tile TopKV2 Transpose Unpack While ZerosLike OnesLike ResourceGather EnsureShape"
)
"""What TensorFlow's TFLite converter takes, as an operator or as a part of a pattern."""


@dataclass(frozen=True)
class Operation:
    """An operator of TensorFlow in a traced graph, and the layer that it is from."""

    kind: str
    layer: str
    node: Any = None
    """The tf.Operation; None inside of a loop or a branch."""

    def __str__(self) -> str:
        return f"{self.kind} (from {self.layer})" if self.layer else self.kind


def operations(concrete: Any, layers: Iterable[str] = ()) -> tuple[Operation, ...]:
    """The operators of a traced function that depend on its input, each kind of a layer once."""
    layer_names = frozenset(layers)
    graph = concrete.graph
    functions = graph.as_graph_def().library.function
    library = {function.signature.name: function for function in functions}
    captured = {id(tensor.op) for tensor in graph.internal_captures}
    reached = {id(tensor.op) for tensor in graph.inputs} - captured
    by_kind: dict[tuple[str, str], Operation] = {}
    for operation in graph.get_operations():  # in the order in which they were made
        if id(operation) not in reached:
            if not any(id(tensor.op) in reached for tensor in operation.inputs):
                continue
            reached.add(id(operation))
        layer = layer_of(operation.name, layer_names)
        _note(by_kind, Operation(operation.type, layer, operation))
        for inner in _inside(operation.node_def, library, layer, layer_names, set()):
            _note(by_kind, inner)
    return tuple(by_kind.values())


def layer_of(name: str, layers: frozenset[str]) -> str:
    """The layer in the name of an operator ("model_1/conv2d_1/convolution"): the innermost scope
    that is the name of a layer, with a number behind it at most; without, the scope as it is.
    """
    scopes = [scope for scope in name.split("/")[:-1] if scope != "StatefulPartitionedCall"]
    for scope in reversed(scopes):
        for candidate in (scope, _NUMBER.sub("", scope)):
            if candidate in layers:
                return candidate
    return "" if layers or not scopes else scopes[-1]


def _note(by_kind: dict[tuple[str, str], Operation], operation: Operation) -> None:
    if operation.kind not in _SIDE:
        by_kind.setdefault((operation.kind, operation.layer), operation)


def _inside(
    node: Any, library: dict[str, Any], outer: str, known: frozenset[str], seen: set[str]
) -> Iterator[Operation]:
    """Operators of the functions that a node calls: bodies of loops, branches."""
    for value in node.attr.values():
        called = [value.func.name] if value.func.name else []
        called += [function.name for function in value.list.func]
        for name in called:
            if name in seen or name not in library:
                continue
            seen.add(name)
            for inner in library[name].node_def:
                layer = layer_of(inner.name, known) or outer
                yield Operation(inner.op, layer)
                yield from _inside(inner, library, layer, known, seen)


def objection(source: TensorFlowSource, target: Target) -> EdgeCNNError | None:
    """Why a model cannot become `target`; None where nothing is seen that speaks against it."""
    if target.format not in ("onnx", "tflite"):
        return None
    operators = source.operations(target.format)
    if target.format == "onnx":
        return _unknown_to_onnx(operators)
    missing = _missing_in_tflite(operators)
    if missing is not None or not target.spec.calibrates:
        return missing
    return _without_integers(operators, source.loops)


def _without_integers(
    operators: tuple[Operation, ...], loops: tuple[str, ...]
) -> UnsupportedError | None:
    """What TFLite's integer recipes cannot hold, by the operators before conversion."""
    from edgecnn.conversion.quantizers.tflite import unsupported_loop, unsupported_volume

    for operation in operators:
        if operation.kind in _LOOPS:
            return unsupported_loop("WHILE", loops or _named_layers([operation]))
        if operation.kind in ("Conv3D", "Conv3DBackpropInputV2"):
            name = "CONV_3D" if operation.kind == "Conv3D" else "CONV_3D_TRANSPOSE"
            return unsupported_volume(name, operation.layer)
    return None


def _named_layers(operators: Iterable[Operation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(operation.layer for operation in operators if operation.layer))


def _unknown_to_onnx(operators: tuple[Operation, ...]) -> UnsupportedError | None:
    from edgecnn.conversion.exporters.tensorflow_to_onnx import OPSET, WRITTEN_HERE
    from edgecnn.registry import require

    require("tf2onnx", "convert")
    from tf2onnx import handler, onnx_opset  # noqa: F401 (the latter fills the former's table)

    convertible = {*handler.tf_op.create_mapping(OPSET, None), *WRITTEN_HERE}
    missing = [operation for operation in operators if operation.kind not in convertible]
    if not missing:
        return None
    return UnsupportedError(
        f"ONNX (operator set {OPSET}, by tf2onnx) has no {_listed(missing)}",
        hint="build the layer from other operators; a tflite target may take it as it is",
    )


def _missing_in_tflite(operators: tuple[Operation, ...]) -> UnsupportedError | None:
    from edgecnn.conversion.exporters.operator_trial import converts_alone

    verdicts: dict[str, bool] = {}
    missing = []
    for operation in operators:
        if operation.kind in _IN_TFLITE or operation.node is None:
            continue
        if operation.kind not in verdicts:
            verdicts[operation.kind] = converts_alone(operation.node)
        if not verdicts[operation.kind]:
            missing.append(operation)
    if not missing:
        return None
    return UnsupportedError(
        f"TFLite has no {_listed(missing)}",
        hint="build the layer from other operators; an onnx target may take it as it is",
    )


def with_layers(operators: tuple[Operation, ...], error: InputError) -> InputError:
    """A converter's error with the layers of the operators that it names ("tf.Einsum")."""
    text = f"{error.message} {error.__cause__ or ''}"
    named = set(_TF_OPERATOR.findall(text))
    culprits = [each for each in operators if each.kind in named and each.layer]
    if not culprits:
        return error
    return InputError(f"{error.message}: it does not take {_listed(culprits)}", hint=error.hint)


def _listed(missing: list[Operation]) -> str:
    listing = ", ".join(map(str, missing[:_NAMED]))
    more = len(missing) - _NAMED
    return f"{listing} and {more} more" if more > 0 else listing
