"""TFLite models rewritten without changing what they compute: one signature, fixed sizes, float32
weights, operator codes where every reader looks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecnn.conversion.exporters.tensorflow_to_tflite import SIGNATURE
from edgecnn.manifest import TensorSpec

_FLOAT32, _FLOAT16 = 0, 1
_DEQUANTIZE = 6
_BATCH_MATMUL = 126


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


def with_real_weights(model: Any) -> None:
    """Store weights of 8 and 4 bits that operators on floats take as the real values that they
    stand for. Operators that compute with integers keep theirs.
    """
    for graph in model.subgraphs:
        kept: list[Any] = []
        real: dict[int, int] = {}
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            outputs = [graph.tensors[int(place)] for place in operator.outputs]
            if not outputs or any(tensor.type != _FLOAT32 for tensor in outputs):
                kept.append(operator)
                continue
            places = [int(place) for place in operator.inputs]
            for position, place in enumerate(places):
                if place in real:
                    places[position] = real[place]
                    continue
                values = _real_values(model, graph.tensors[place]) if place >= 0 else None
                if values is not None:
                    tensor = _constant(model, f"{text(graph.tensors[place].name)}/real", values)
                    graph.tensors.append(tensor)
                    places[position] = real[place] = len(graph.tensors) - 1
            if code == _DEQUANTIZE and places[0] in real.values():
                outputs[0].buffer = graph.tensors[places[0]].buffer
                continue
            operator.inputs = places
            kept.append(operator)
        graph.operators = kept
        taken = {int(place) for operator in kept for place in operator.inputs}
        for place in set(real) - taken:  # whose types other readers may not know
            old = graph.tensors[place]
            old.type, old.buffer, old.quantization = _FLOAT32, 0, None


def _real_values(model: Any, tensor: Any) -> Any:
    """The values that a constant of 8 or 4 bits with a scale stands for; None for others."""
    from edgecnn.conversion.rewriting.tflite.weights import STORED, real_values

    data = model.buffers[tensor.buffer].data
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    if tensor.type not in STORED or data is None or not len(data):
        return None
    if scale is None or not len(scale):
        return None
    zero = tensor.quantization.zeroPoint
    return real_values(
        bytes(np.asarray(data, np.uint8)),
        STORED[tensor.type],
        _sizes(tensor.shape),
        scale=np.asarray(scale, np.float32),
        zero=np.zeros(1) if zero is None or not len(zero) else np.asarray(zero),
        axis=int(tensor.quantization.quantizedDimension or 0),
    )


def _constant(model: Any, name: str, values: Any) -> Any:
    """A tensor of float32 with a buffer of its own."""
    from ai_edge_litert import schema_py_generated as schema

    data = np.frombuffer(np.ascontiguousarray(values, "<f4").tobytes(), np.uint8)
    model.buffers.append(schema.BufferT(data=data))
    return schema.TensorT(
        name=name,
        shape=np.asarray(values.shape, np.int32),
        type=_FLOAT32,
        buffer=len(model.buffers) - 1,
    )


def _sizes(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(size) for size in values)


def with_dense_layers(model: Any) -> None:
    """Write products with a constant matrix as dense layers.

    LiteRT 2.3 computes zeros for a BATCH_MATMUL whose constant is quantized by channel.
    """
    from ai_edge_litert import schema_py_generated as schema

    for graph in model.subgraphs:
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode != _BATCH_MATMUL:
                continue
            matrix = _matrix(model, graph.tensors[int(operator.inputs[1])])
            options = operator.builtinOptions
            if matrix is None or options is None or options.adjX:
                continue
            weights = matrix if options.adjY else np.ascontiguousarray(matrix.T)
            constant = _constant(model, f"{layer_of(graph, operator)}/weights", weights)
            graph.tensors.append(constant)
            operator.inputs = [int(operator.inputs[0]), len(graph.tensors) - 1, -1]
            operator.opcodeIndex = _code(model, schema.BuiltinOperator.FULLY_CONNECTED)
            operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
            operator.builtinOptions = schema.FullyConnectedOptionsT(keepNumDims=True)


def _matrix(model: Any, tensor: Any) -> Any:
    """The values of a constant float32 matrix; None for any other tensor."""
    data = model.buffers[tensor.buffer].data
    sizes = _sizes(tensor.shape)
    if tensor.type != _FLOAT32 or data is None or not len(data) or len(sizes) != 2:
        return None
    return np.frombuffer(bytes(np.asarray(data, np.uint8)), "<f4").reshape(sizes)


def _code(model: Any, number: int) -> int:
    """The place of a built-in operator among the model's codes, entered where it is not there."""
    from ai_edge_litert import schema_py_generated as schema

    for place, code in enumerate(model.operatorCodes):
        if code.builtinCode == number:
            return place
    old = min(number, 127)
    code = schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=old, version=5)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


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
    """What a layer is called: the name of the first tensor that it makes, of which TensorFlow's
    converter joins several.
    """
    if not len(operator.outputs):
        return ""
    return text(graph.tensors[int(operator.outputs[0])].name).partition(";")[0]


def custom_operators(model: Any) -> dict[str, str]:
    """The operators that are not part of TFLite, by name, each with the first layer of its kind."""
    first_layers: dict[str, str] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = text(model.operatorCodes[operator.opcodeIndex].customCode)
            if name:
                first_layers.setdefault(name, layer_of(graph, operator))
    return first_layers
