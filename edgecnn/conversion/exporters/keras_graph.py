"""A Keras graph with several named inputs and outputs → a float `.tflite` or `.onnx` file.

Names survive: whoever runs the file finds inputs and outputs by them, whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.exporters.tensorflow_to_onnx import BATCH, OPSET
from edgecnn.registry import lookup, require
from edgecnn.system import scratch

if TYPE_CHECKING:
    import keras


def write_graph(
    file_format: str,
    model: keras.Model,
    outputs: Sequence[str],
    path: Path,
    *,
    open_batch: bool = False,
) -> None:
    """Write `model` with its inputs' own names and these names of outputs.

    A `.tflite` file has batch 1 unless it is to be open; an `.onnx` file leaves it open. Raises
    InputError where the converter cannot take the model.
    """
    batch = None if open_batch else 1
    lookup("format", file_format, _WRITERS)(model, outputs, path, batch)


def _signature(model: keras.Model, batch: int | None) -> list[Any]:
    import tensorflow as tf

    return [
        tf.TensorSpec((batch, *tensor.shape[1:]), str(tensor.dtype), name=str(tensor.name))
        for tensor in model.inputs
    ]


def _serving(model: keras.Model, outputs: Sequence[str]) -> Callable[..., Mapping[str, Any]]:
    def serve(*tensors: Any) -> Mapping[str, Any]:
        given = list(tensors) if len(tensors) > 1 else tensors[0]
        answers = model(given, training=False)
        flat = answers if isinstance(answers, list | tuple) else [answers]
        return dict(zip(outputs, flat, strict=True))

    return serve


def _write_tflite(
    model: keras.Model, outputs: Sequence[str], path: Path, batch: int | None
) -> None:
    require("tensorflow", "convert")
    with converter("TensorFlow's TFLite converter"):
        import keras
        import tensorflow as tf

        with scratch.folder() as folder:
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(
                "serve", _serving(model, outputs), input_signature=_signature(model, batch)
            )
            archive.write_out(str(folder), verbose=False)
            content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
        path.write_bytes(_named(content, outputs))


def _named(content: bytes, outputs: Sequence[str]) -> Any:
    """Put the graph's outputs into their order, and give its ends the signature's names: the
    converter calls them "StatefulPartitionedCall_1:1" and orders them as they were traced.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    def text(name: bytes | str) -> str:
        return name.decode() if isinstance(name, bytes) else name

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    index_of = {text(entry.name): int(entry.tensorIndex) for entry in signature.outputs}
    graph.outputs = [index_of[name] for name in outputs]
    ends = (*signature.inputs, *signature.outputs)
    taken = {text(entry.name) for entry in ends}
    for number, tensor in enumerate(graph.tensors):
        if text(tensor.name) in taken:  # an inner tensor: names must be unique
            tensor.name = f"{text(tensor.name)}_{number}"
    for entry in ends:
        graph.tensors[entry.tensorIndex].name = entry.name
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _write_onnx(
    model: keras.Model,
    outputs: Sequence[str],
    path: Path,
    batch: int | None,  # noqa: ARG001 (open costs nothing there)
) -> None:
    require("tf2onnx", "convert")
    with converter("tf2onnx"):
        import onnx
        import tensorflow as tf
        import tf2onnx

        signature = _signature(model, None)
        function = tf.function(_serving(model, outputs), input_signature=signature)
        made, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
        for value in (*made.graph.input, *made.graph.output):
            dimensions = value.type.tensor_type.shape.dim
            if dimensions and not dimensions[0].dim_value:
                dimensions[0].dim_param = BATCH
        onnx.checker.check_model(made, full_check=True)
        onnx.save(made, str(path))


_WRITERS: Mapping[str, Callable[[Any, Sequence[str], Path, int | None], None]] = {
    "tflite": _write_tflite,
    "onnx": _write_onnx,
}
