"""Keras → float32 `.tflite`, with TensorFlow's converter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecnn import scratch
from edgecnn.conversion.boundary import converter
from edgecnn.conversion.pooling import with_planar_pooling
from edgecnn.conversion.source import INPUT_NAME, SourceModel
from edgecnn.registry import require

SIGNATURE = "serving_default"
"""What TensorFlow calls the signature of a model saved with one endpoint."""

_HINT = "the model uses an operation that TFLite does not have; an onnx target may take it"


def write_float_tflite(source: SourceModel, path: Path) -> None:
    """Convert to `path` with batch 1.

    Batch 1 because the quantizer, XNNPACK and most delegates want fixed shapes. Conversion
    goes through a SavedModel: straight from a concrete function the weights would stay behind
    resource variables (VAR_HANDLE, READ_VARIABLE), which no quantizer sees.

    Raises InputError when the converter cannot take the model.
    """
    require("tensorflow", "convert")
    with converter("TensorFlow's TFLite converter", _HINT):
        import keras
        import tensorflow as tf

        spec = tf.TensorSpec((1, *source.input_shape), source.dtype, name=INPUT_NAME)
        source = replace(source, model=with_planar_pooling(source.model))
        with scratch.folder() as folder:
            archive = keras.export.ExportArchive()
            archive.track(source.model)
            archive.add_endpoint("serve", source.serving_function(), input_signature=[spec])
            archive.write_out(str(folder), verbose=False)
            content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
        path.write_bytes(_in_signature_order(content, source.output_names))


def _in_signature_order(content: bytes, output_names: tuple[str, ...]) -> Any:
    """Put the graph's outputs into Keras's order and give them and the input plain names.

    The converter orders outputs as the graph happened to be traced (a model with outputs 0, 1
    and 2 gave 1, 0, 2) and calls them "StatefulPartitionedCall_1:1"; only the signature knows.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    index_of = {_text(entry.name): int(entry.tensorIndex) for entry in signature.outputs}
    graph.outputs = [index_of[name] for name in output_names]
    for entry in (*signature.inputs, *signature.outputs):
        graph.tensors[entry.tensorIndex].name = entry.name
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
