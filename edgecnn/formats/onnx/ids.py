"""Tables that the inputs of an .onnx file are looked up in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.formats.id_tables import SIZES_BELOW, Reach, lower, merged
from edgecnn.formats.onnx.schema import (
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_INTEGER,
    ATTRIBUTE_INTEGERS,
    ATTRIBUTE_TENSOR,
    FUNCTION_INPUT,
    FUNCTION_NAME,
    FUNCTION_NODE,
    FUNCTION_OUTPUT,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    GRAPH_VALUE,
    MODEL_FUNCTION,
    MODEL_GRAPH,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    TENSOR_DIMS,
    TENSOR_INT32,
    TENSOR_INT64,
    TENSOR_NAME,
    TENSOR_RAW,
    attributes_of,
    opened,
)
from edgecnn.formats.wire.protobuf import Message

_MOVES = {
    *("Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose"),
    *("Slice", "Concat", "Split", "Expand", "Tile", "Dropout", "Pad", "Max", "Where"),
    *("ReverseSequence", "Compress", "ScatterElements", "ScatterND", "Round", "Floor"),
    *("Optional", "OptionalGetElement", "SequenceConstruct", "SequenceAt", "SplitToSequence"),
    *("ConcatFromSequence", "Trilu", "Unique", "CenterCropPad"),
}  # fmt: skip
"""Operators whose output holds values of their inputs."""
_LOOKUPS: Mapping[str, Mapping[int, int]] = {
    "Gather": {1: 0},
    "GatherElements": {1: 0},
    "GatherBlockQuantized": {1: 0},
    "EmbedLayerNormalization": {0: 2, 1: 4, 8: 3},
}
"""Of an operator: which input holds ids, and which one the table."""
_SIZES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Pad", "TopK", "CenterCropPad"), (1,)),
    **dict.fromkeys(("ConstantOfShape", "Loop"), (0,)),
    "Range": (0, 1),
    "Resize": (3,),
}
"""Of an operator: which inputs are sizes and counts. Drawn like ids, they would ask for gigabytes,
whatever the size of the network."""
_KEEPS_SHAPE = ("Identity", "Cast", "DequantizeLinear", "QuantizeLinear", "Dropout")
_MAX_DEPTH = 8


@dataclass
class _Scope:
    """What is known of the values of a graph, those of the graphs around it included."""

    reach: dict[str, Reach] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)

    def inner(self) -> _Scope:
        return _Scope(dict(self.reach), dict(self.shapes), dict(self.constants))


class _Limits:
    """The smallest table that each input reaches, found by walking the graphs in their order."""

    def __init__(self, functions: Mapping[str, Message]) -> None:
        self._functions = functions
        self.by_input: dict[int, int] = {}

    def graph(self, graph: Message, scope: _Scope, depth: int = 0) -> list[Reach]:
        """Walk a graph; returns what its outputs hold."""
        nodes, outputs = [], []
        for number, part in graph.messages():
            if number == GRAPH_NODE:
                nodes.append(part)
            elif number == GRAPH_INITIALIZER:
                _enter_constant(scope, part.text(TENSOR_NAME), part)
            elif number in (GRAPH_VALUE, GRAPH_INPUT):
                _enter_shape(scope, part)
            elif number == GRAPH_OUTPUT:
                outputs.append(part.text(1))
        self.nodes(nodes, scope, depth)
        return [scope.reach.get(name, {}) for name in outputs]

    def nodes(self, nodes: Sequence[Message], scope: _Scope, depth: int) -> None:
        for node in nodes:
            operator = node.text(NODE_OPERATOR)
            inputs, outputs = node.texts(NODE_INPUT), node.texts(NODE_OUTPUT)
            attributes = dict(attributes_of(node))
            if not outputs:
                continue
            _follow_shape(operator, inputs, outputs[0], attributes, scope)
            self._look_up(operator, inputs, attributes, scope)
            held = self._held(operator, inputs, scope)
            if depth < _MAX_DEPTH:
                if operator in self._functions:
                    held = self._call(operator, inputs, scope, depth)
                for graph in _graphs(attributes):
                    held += self._branch(operator, graph, inputs, scope, depth)
            reach = merged(held)
            scope.reach |= {name: reach for name in outputs if name and reach}

    def _look_up(
        self,
        operator: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Message],
        scope: _Scope,
    ) -> None:
        axis = (attributes["axis"].integer(ATTRIBUTE_INTEGER) or 0) if "axis" in attributes else 0
        for ids, table in _LOOKUPS.get(operator, {}).items():
            if max(ids, table) >= len(inputs):
                continue
            shape = scope.shapes.get(inputs[table], ())
            if -len(shape) <= axis < len(shape):
                lower(self.by_input, scope.reach.get(inputs[ids], {}), shape[axis])
        for place in _SIZES.get(operator, ()):
            if place < len(inputs):
                lower(self.by_input, scope.reach.get(inputs[place], {}), SIZES_BELOW)
        if operator == "OneHot" and len(inputs) > 1 and inputs[1] in scope.constants:
            lower(self.by_input, scope.reach.get(inputs[0], {}), scope.constants[inputs[1]])

    def _held(self, operator: str, inputs: Sequence[str], scope: _Scope) -> list[Reach]:
        """What the inputs hold that a node passes on."""
        if operator in _MOVES:
            return [scope.reach.get(name, {}) for name in inputs]
        if operator in ("Gather", "GatherElements", "GatherND"):
            return [scope.reach.get(name, {}) for name in inputs[:1]]
        if operator in ("Add", "Sub") and len(inputs) == 2:
            first, second = inputs
            if operator == "Add" and first in scope.constants:
                first, second = second, first
            if second not in scope.constants:
                return []
            shift = scope.constants[second] * (1 if operator == "Add" else -1)
            return [{at: added + shift for at, added in scope.reach.get(first, {}).items()}]
        return []

    def _call(self, operator: str, inputs: Sequence[str], scope: _Scope, depth: int) -> list[Reach]:
        function = self._functions[operator]
        inside = _Scope()
        for name, given in zip(function.texts(FUNCTION_INPUT), inputs, strict=False):
            inside.reach[name] = scope.reach.get(given, {})
            if given in scope.shapes:
                inside.shapes[name] = scope.shapes[given]
            if given in scope.constants:
                inside.constants[name] = scope.constants[given]
        nodes = [part for number, part in function.messages() if number == FUNCTION_NODE]
        self.nodes(nodes, inside, depth + 1)
        return [inside.reach.get(name, {}) for name in function.texts(FUNCTION_OUTPUT)]

    def _branch(
        self, operator: str, graph: Message, inputs: Sequence[str], scope: _Scope, depth: int
    ) -> list[Reach]:
        """A graph inside of a node: it sees the values around it, and a loop's body those that
        it is given (behind the iteration's number and the condition).
        """
        inside = scope.inner()
        names = [part.text(1) for number, part in graph.messages() if number == GRAPH_INPUT]
        given = inputs if operator in ("Loop", "Scan") else ()
        for name, outer in zip(names, given, strict=False):
            inside.reach[name] = scope.reach.get(outer, {})
        return self.graph(graph, inside, depth + 1)


def id_limits(path: Path) -> tuple[int | None, ...]:
    """See `id_tables.id_limits`. Raises ValueError or OSError for a file that is not whole."""
    with opened(path) as model:
        graph = model.message(MODEL_GRAPH)
        if graph is None:
            return ()
        functions = {
            part.text(FUNCTION_NAME): part
            for number, part in model.messages()
            if number == MODEL_FUNCTION
        }
        constants = {
            part.text(TENSOR_NAME)
            for number, part in graph.messages()
            if number == GRAPH_INITIALIZER
        }
        names = [part.text(1) for number, part in graph.messages() if number == GRAPH_INPUT]
        names = [name for name in names if name not in constants]
        limits = _Limits(functions)
        limits.graph(graph, _Scope({name: {at: 0} for at, name in enumerate(names)}))
        return tuple(limits.by_input.get(at) for at in range(len(names)))


def _follow_shape(
    operator: str,
    inputs: Sequence[str],
    output: str,
    attributes: Mapping[str, Message],
    scope: _Scope,
) -> None:
    """Enter the shape of what a node makes of a constant, as far as tables are made so."""
    if operator == "Constant" and "value" in attributes:
        tensor = attributes["value"].message(ATTRIBUTE_TENSOR)
        if tensor is not None:
            _enter_constant(scope, output, tensor)
        return
    shape = scope.shapes.get(inputs[0]) if inputs else None
    if shape is None:
        return
    if operator in _KEEPS_SHAPE:
        scope.shapes.setdefault(output, shape)
    elif operator == "Transpose":
        order = attributes["perm"].integers(ATTRIBUTE_INTEGERS) if "perm" in attributes else ()
        order = order or tuple(reversed(range(len(shape))))
        if sorted(order) == list(range(len(shape))):
            scope.shapes.setdefault(output, tuple(shape[axis] for axis in order))


def _graphs(attributes: Mapping[str, Message]) -> list[Message]:
    return [
        part
        for attribute in attributes.values()
        for number, part in attribute.messages()
        if number == ATTRIBUTE_GRAPH
    ]


def _enter_constant(scope: _Scope, name: str, tensor: Message) -> None:
    shape = tensor.integers(TENSOR_DIMS)
    scope.shapes[name] = shape
    if shape not in ((), (1,)):
        return
    values = (*tensor.integers(TENSOR_INT64), *tensor.integers(TENSOR_INT32))
    raw = tensor.message(TENSOR_RAW)
    if values:
        scope.constants[name] = values[0]
    elif raw is not None and raw.end - raw.start in (4, 8) and tensor.integer(2) in (6, 7):
        scope.constants[name] = int.from_bytes(raw.content(), "little", signed=True)


def _enter_shape(scope: _Scope, value: Message) -> None:
    kind = value.message(2)
    tensor = kind.message(1) if kind else None
    shape = tensor.message(2) if tensor else None
    if shape is None:
        return
    sizes = [part.integer(1) or 0 for number, part in shape.messages() if number == 1]
    scope.shapes.setdefault(value.text(1), tuple(sizes))
