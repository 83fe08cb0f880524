"""What an .onnx file stores, and by which operators it computes."""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from edgecnn.formats.recipes.stored import named
from edgecnn.formats.wire.protobuf import Message

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_FUNCTION = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_FUNCTION_NODE = 7
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_OUTPUT = 1, 4, 5, 2
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 5, 6, 11
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME = 1, 2, 8
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    10: "float16",
    11: "float64",
    16: "bfloat16",
    21: "uint4",
    22: "int4",
    25: "uint2",
    26: "int2",
}
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

    def read(self, graph: Message, node_number: int = _GRAPH_NODE) -> None:
        for number, part in graph.messages():
            if number == _GRAPH_INITIALIZER and node_number == _GRAPH_NODE:
                self._store(part, part.text(_TENSOR_NAME))
            elif number == node_number:
                self._node(part)

    def _node(self, node: Message) -> None:
        operator = node.text(_NODE_OPERATOR)
        inputs = node.texts(_NODE_INPUT)
        outputs = node.texts(_NODE_OUTPUT)
        self.dynamic |= operator in _DYNAMIC
        self.integer |= operator.startswith("QLinear")
        self.computing += operator in ("Conv", "ConvTranspose", "Gemm", "MatMul")
        if operator == "QuantizeLinear":
            self.quantizers.append((inputs[0], inputs[2] if len(inputs) > 2 else ""))
        for number, attribute in node.messages():
            if number != _NODE_ATTRIBUTE:
                continue
            for inner, part in attribute.messages():
                if inner == _ATTRIBUTE_TENSOR and operator == "Constant":
                    self._store(part, outputs[0] if outputs else "")
                elif inner in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    self.read(part)

    def _store(self, tensor: Message, name: str) -> None:
        dtype = _DTYPES.get(tensor.integer(_TENSOR_TYPE) or 0, "other")
        self.weights[dtype] += prod(max(size, 0) for size in tensor.integers(_TENSOR_DIMS))
        self.constants.add(name)
        self.dtypes[name] = dtype


def recipe_of(path: Path) -> str:
    """See `recipes.recipe_in`. Raises ValueError or OSError for a file that is not whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graphs = _Graphs()
        for number, part in Message.whole(data).messages():
            if number == _MODEL_GRAPH:
                graphs.read(part)
            elif number == _MODEL_FUNCTION:
                graphs.read(part, _FUNCTION_NODE)
    values: Counter[str] = Counter()
    for quantized, zero_point in graphs.quantizers:
        if quantized not in graphs.constants:  # not a weight that is stored as float
            dtype = graphs.dtypes.get(zero_point, "uint8").removeprefix("u")
            values[dtype if dtype in ("int8", "int16") else "int8"] += 1
    static = graphs.integer or 2 * sum(values.values()) >= max(graphs.computing, 1)
    if graphs.integer and not values:
        values["int8"] = 1
    return named(graphs.weights, values, dynamic=graphs.dynamic, static=static)
