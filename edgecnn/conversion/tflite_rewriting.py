"""TFLite models rewritten without changing what they compute: one signature, fixed sizes, float32
weights, operator codes where every reader looks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecnn.conversion.tflite import SIGNATURE
from edgecnn.manifest import TensorSpec

_FLOAT32, _FLOAT16 = 0, 1
_DEQUANTIZE = 6


def read(content: bytes) -> Any:
    """A model as objects, each operator's code in the field that new readers read.

    Files of 2020 and before have it in the old field only, which is ADD to who reads the new one.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for code in model.operatorCodes:
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    return model


def written(model: Any) -> bytes:
    """The file that a model is."""
    from ai_edge_litert.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_signature(model: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give the main graph one signature with these names, in the order of the graph; the tensors
    are called so too.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]

    def entries(names: Sequence[str], places: Sequence[int]) -> list[Any]:
        return [
            schema.TensorMapT(name=name, tensorIndex=int(place))
            for name, place in zip(names, places, strict=True)
        ]

    model.signatureDefs = [
        schema.SignatureDefT(
            inputs=entries(inputs, graph.inputs),
            outputs=entries(outputs, graph.outputs),
            signatureKey=SIGNATURE,
            subgraphIndex=0,
        )
    ]
    taken = {text(tensor.name) for tensor in graph.tensors}
    for name, place in zip((*inputs, *outputs), (*graph.inputs, *graph.outputs), strict=True):
        if name not in taken:
            graph.tensors[int(place)].name = name
            taken.add(name)


def with_sizes(model: Any, shapes: Mapping[int, tuple[int, ...]]) -> None:
    """Give tensors of the main graph the sizes that an interpreter allocated, none of them open."""
    for place, tensor in enumerate(model.subgraphs[0].tensors):
        shape, declared = shapes.get(place), _sizes(tensor.shape)
        is_open = any(size < 0 for size in _sizes(tensor.shapeSignature))
        if shape is None or len(shape) != len(declared) or not (is_open or shape != declared):
            continue
        tensor.shape = np.asarray(shape, np.int32)
        tensor.shapeSignature = None


def with_float32_weights(model: Any) -> None:
    """Store weights of float16 as float32, without the operators that unpack them."""
    for graph in model.subgraphs:
        kept = []
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            source = graph.tensors[int(operator.inputs[0])] if len(operator.inputs) else None
            data = model.buffers[source.buffer].data if source is not None else None
            packed = source is not None and source.type == _FLOAT16
            if code != _DEQUANTIZE or not packed or data is None or not len(data):
                kept.append(operator)
                continue
            target = graph.tensors[int(operator.outputs[0])]
            halves = np.frombuffer(bytes(np.asarray(data, np.uint8)), "<f2")
            target.buffer = len(model.buffers)
            model.buffers.append(
                type(model.buffers[0])(data=np.frombuffer(halves.astype("<f4").tobytes(), np.uint8))
            )
        graph.operators = kept


def _sizes(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(size) for size in values)


def unique_names(specs: Sequence[TensorSpec], fallback: str) -> tuple[str, ...]:
    """The names of inputs or outputs; where several have the same or none, numbered ones."""
    names = [spec.name for spec in specs]
    if all(names) and len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{fallback}_{index}" for index in range(len(names)))


def text(name: bytes | str | None) -> str:
    """A name as text."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""


def operator_names(model: Any) -> list[str]:
    """The name of each operator code; that of a custom operator is its own."""
    from ai_edge_litert import schema_py_generated as schema

    names = {
        number: name
        for name, number in vars(schema.BuiltinOperator).items()
        if isinstance(number, int)
    }
    return [
        text(code.customCode) or names.get(code.builtinCode, f"operator {code.builtinCode}")
        for code in model.operatorCodes
    ]


def layer_of(graph: Any, operator: Any) -> str:
    """What a layer is called: the name of the first tensor that it makes."""
    return text(graph.tensors[int(operator.outputs[0])].name) if len(operator.outputs) else ""
