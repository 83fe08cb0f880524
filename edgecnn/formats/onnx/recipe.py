"""Infer the recipe of an .onnx file: stored types and computing operators."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.formats.onnx.schema import (
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_GRAPHS,
    ATTRIBUTE_TENSOR,
    DTYPES,
    FUNCTION_NODE,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_FUNCTION,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    TENSOR_DIMS,
    TENSOR_NAME,
    TENSOR_TYPE,
    opened,
)
from edgecnn.formats.recipes import named
from edgecnn.formats.sizes import elements
from edgecnn.formats.wire.protobuf import Message

_DYNAMIC = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")


@dataclass
class _Graphs:
    """What all graphs of a model hold together."""

    weights: Counter[str] = field(default_factory=Counter)
    dtypes: dict[str, str] = field(default_factory=dict)
    quantizers: list[tuple[str, str]] = field(default_factory=list)
    """Of each QuantizeLinear: what it quantizes, and its zero point."""
    constants: set[str] = field(default_factory=set)
    dynamic: bool = False
    integer: bool = False
    computing: int = 0

    def read(self, graph: Message, node_number: int = GRAPH_NODE) -> None:
        for number, part in graph.messages():
            if number == GRAPH_INITIALIZER and node_number == GRAPH_NODE:
                self._store(part, part.text(TENSOR_NAME))
            elif number == node_number:
                self._node(part)

    def _node(self, node: Message) -> None:
        operator = node.text(NODE_OPERATOR)
        inputs = node.texts(NODE_INPUT)
        outputs = node.texts(NODE_OUTPUT)
        self.dynamic |= operator in _DYNAMIC
        self.integer |= operator.startswith("QLinear")
        self.computing += operator in ("Conv", "ConvTranspose", "Gemm", "MatMul")
        if operator == "QuantizeLinear":
            self.quantizers.append((inputs[0], inputs[2] if len(inputs) > 2 else ""))
        for number, attribute in node.messages():
            if number != NODE_ATTRIBUTE:
                continue
            for inner, part in attribute.messages():
                if inner == ATTRIBUTE_TENSOR and operator == "Constant":
                    self._store(part, outputs[0] if outputs else "")
                elif inner in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                    self.read(part)

    def _store(self, tensor: Message, name: str) -> None:
        dtype = DTYPES.get(tensor.integer(TENSOR_TYPE) or 0, "other")
        self.weights[dtype] += elements(tensor.integers(TENSOR_DIMS))
        self.constants.add(name)
        self.dtypes[name] = dtype


def recipe_of(path: Path) -> str:
    """See `recipes.recipe_in`. Raises ValueError or OSError for a file that is not whole."""
    with opened(path) as model:
        graphs = _Graphs()
        for number, part in model.messages():
            if number == MODEL_GRAPH:
                graphs.read(part)
            elif number == MODEL_FUNCTION:
                graphs.read(part, FUNCTION_NODE)
    values: Counter[str] = Counter()
    for quantized, zero_point in graphs.quantizers:
        if quantized not in graphs.constants:  # not a weight that is stored as float
            dtype = graphs.dtypes.get(zero_point, "uint8").removeprefix("u")
            values[dtype if dtype in ("int8", "int16") else "int8"] += 1
    static = graphs.integer or 2 * sum(values.values()) >= max(graphs.computing, 1)
    if graphs.integer and not values:
        values["int8"] = 1
    return named(graphs.weights, values, dynamic=graphs.dynamic, static=static)
