"""Model files of a few hundred bytes, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def external_tensor(
    location: str,
    *,
    name: str = "weights",
    shape: Sequence[int] = (4,),
    offset: int | str | None = None,
    length: int | str | None = None,
) -> Any:
    """A float32 tensor whose values lie in another file."""
    from onnx import TensorProto

    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL
    )
    entries = {"location": location, "offset": offset, "length": length}
    for key, value in entries.items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def tensor(name: str = "weights", shape: Sequence[int] = (4,)) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def identity(path: Path) -> Path:
    """An .onnx file of one Identity over (1, 4)."""
    return write_onnx(path, [node("Identity", ["x"], ["y"])])


def node(*arguments: Any, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(*arguments, **attributes)


def value(name: str, shape: Sequence[int | str] | None = (1, 4), dtype: int = 1) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, shape)


def graph(nodes: Sequence[Any], name: str = "g", **parts: Any) -> Any:
    from onnx import helper

    return helper.make_graph(list(nodes), name, [], [value("inner", None)], **parts)


def write_onnx(
    path: Path,
    nodes: Sequence[Any],
    *,
    initializers: Sequence[Any] = (),
    sparse: Sequence[Any] = (),
    functions: Sequence[Any] = (),
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
) -> Path:
    """A model from "x" to "y", both (1, 4), saved as it is (external data are not written)."""
    from onnx import helper

    made = helper.make_graph(
        list(nodes),
        "g",
        [value("x")] if inputs is None else list(inputs),
        [value("y", None)] if outputs is None else list(outputs),
        initializer=list(initializers),
        sparse_initializer=list(sparse),
    )
    model = helper.make_model(
        made,
        functions=list(functions),
        opset_imports=[
            helper.make_opsetid("", 17),
            helper.make_opsetid("own", 1),
            helper.make_opsetid("com.microsoft", 1),
        ],
        ir_version=8,
    )
    path.write_bytes(model.SerializeToString())
    return path


def adding(path: Path, weights: Any) -> Path:
    """x + weights."""
    return write_onnx(path, [node("Add", ["x", "weights"], ["y"])], initializers=[weights])


def write_tflite(
    path: Path, *, groups: Sequence[str] = (), external: Sequence[tuple[int, int, int]] = ()
) -> Path:
    """x + weights in TFLite; `external` are (group, offset, length) of buffers in other files."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor_of(name: str, buffer: int) -> Any:
        return schema.TensorT(shape=np.array([1, 4], np.int32), name=name, buffer=buffer)

    weights = schema.BufferT(data=np.frombuffer(np.ones(4, np.float32).tobytes(), np.uint8))
    subgraph = schema.SubGraphT(
        tensors=[tensor_of("x", 0), tensor_of("weights", 1), tensor_of("y", 0)],
        inputs=np.array([0], np.int32),
        outputs=np.array([2], np.int32),
        operators=[
            schema.OperatorT(
                opcodeIndex=0,
                inputs=np.array([0, 1], np.int32),
                outputs=np.array([2], np.int32),
                builtinOptionsType=schema.BuiltinOptions.AddOptions,
                builtinOptions=schema.AddOptionsT(),
            )
        ],
    )
    model = schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(builtinCode=schema.BuiltinOperator.ADD)],
        subgraphs=[subgraph],
        buffers=[schema.BufferT(), weights],
    )
    if groups:
        model.externalBufferGroups = [schema.ExternalBufferGroupT(name=name) for name in groups]
        model.externalBuffers = [
            schema.ExternalBufferT(id=number, group=group, offset=offset, length=length)
            for number, (group, offset, length) in enumerate(external, start=1)
        ]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def write_operator(
    path: Path,
    operator: str,
    tensors: Sequence[tuple[str, Sequence[int], str]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    options: str = "",
) -> Path:
    """A .tflite file of one operator (none where its name is empty), as "RANGE" over `tensors`:
    (name, shape, type as in "INT32"); those that are neither inputs nor outputs hold ones.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    names = [name for name, _, _ in tensors]
    model = schema.ModelT(version=3, buffers=[schema.BufferT()], operatorCodes=[])
    graph = schema.SubGraphT(tensors=[], operators=[])
    for name, shape, kind in tensors:
        stored = schema.TensorT(name=name, type=getattr(schema.TensorType, kind), buffer=0)
        stored.shape = np.array(shape, np.int32)
        if name not in (*inputs, *outputs):
            stored.buffer = len(model.buffers)
            ones = np.ones(shape, kind.lower()).tobytes()
            model.buffers.append(schema.BufferT(data=np.frombuffer(ones, np.uint8)))
        graph.tensors.append(stored)
    graph.inputs = np.array([names.index(name) for name in inputs], np.int32)
    graph.outputs = np.array([names.index(name) for name in outputs], np.int32)
    if operator:
        code = getattr(schema.BuiltinOperator, operator)
        model.operatorCodes = [schema.OperatorCodeT(builtinCode=code)]
        taken = [at for at, name in enumerate(names) if name not in outputs]
        node = schema.OperatorT(inputs=np.array(taken, np.int32), outputs=graph.outputs)
        if options:
            node.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            node.builtinOptions = getattr(schema, f"{options}T")()
        graph.operators = [node]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
