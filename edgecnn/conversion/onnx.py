"""Keras → float32 `.onnx`, with tf2onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.source import INPUT_NAME, SourceModel
from edgecnn.registry import require

OPSET = 18
"""The newest operator set that tf2onnx 1.17 writes."""

BATCH = "batch"
"""Name of the open first dimension."""

_HINT = "the model uses an operation that tf2onnx does not know; a tflite target may take it"


def write_float_onnx(source: SourceModel, path: Path) -> None:
    """Convert to `path` with an open batch dimension.

    `tf2onnx.convert.from_keras` fails on Keras 3 models, so a traced function is converted.
    Inputs stay channels last, as in Keras: the file takes what the preprocessing gives.

    Raises InputError when the converter cannot take the model.
    """
    require("tf2onnx", "convert")
    with converter("tf2onnx", _HINT):
        import onnx
        import tensorflow as tf
        import tf2onnx

        signature = [tf.TensorSpec((None, *source.input_shape), source.dtype, name=INPUT_NAME)]
        function = tf.function(source.serving_function(), input_signature=signature)
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
        _name_batch(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))


def _name_batch(model: Any) -> None:
    """Call the open dimension by its name instead of tf2onnx's "unk__50"."""
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and not dimensions[0].dim_value:
            dimensions[0].dim_param = BATCH
