"""The filters that a network looks at an image with first, read off its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgeCNNError
from edgecnn.formats.check import check_model_path
from edgecnn.formats.kinds import format_of
from edgecnn.registry import require

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]


def read_first_convolution(path: Path) -> tuple[Floats, int] | None:
    """The first convolution's kernel (height, width, channels, filters) and its stride.

    None where the file has no convolution over images, or where the library that reads the
    format is not installed. Raises InputError for what is not a whole model file.
    """
    read = format_of(path).function("first_convolution")
    path = check_model_path(path)
    if read is None:
        return None
    try:
        convolution: tuple[Floats, int] | None = read(path)
    except EdgeCNNError:
        return None
    return convolution if convolution is not None and convolution[0].ndim == 4 else None


def first_convolution(model: keras.Model) -> tuple[Floats, int] | None:
    """The same of a loaded Keras model, whose first convolution may lie in a nested one."""
    for layer in model._flatten_layers(include_self=False, recursive=True):  # noqa: SLF001
        if type(layer).__name__ == "Conv2D":
            return np.asarray(layer.get_weights()[0], np.float32), int(layer.strides[0])
    return None


def from_tflite(path: Path) -> tuple[Floats, int] | None:
    """See `read_first_convolution`."""
    interpreter = require("ai_edge_litert.interpreter", "litert").Interpreter(str(path))
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()  # noqa: SLF001 (the only way to the graph)
    first = next((op for op in operators if op["op_name"] == "CONV_2D"), None)
    if first is None:
        return None
    weights = int(first["inputs"][1])
    detail = next(one for one in interpreter.get_tensor_details() if one["index"] == weights)
    stored = np.asarray(interpreter.get_tensor(weights))
    kernel = stored.astype(np.float32)
    quantized = detail["quantization_parameters"]
    if np.size(quantized["scales"]):
        kernel = (kernel - quantized["zero_points"].reshape(-1, 1, 1, 1)) * quantized[
            "scales"
        ].reshape(-1, 1, 1, 1)
    shape = [one["shape"] for one in interpreter.get_tensor_details()]
    names = {
        one["index"]: position for position, one in enumerate(interpreter.get_tensor_details())
    }
    before, after = (shape[names[int(first[side][0])]] for side in ("inputs", "outputs"))
    return kernel.transpose(1, 2, 3, 0).astype(np.float32), max(1, round(before[1] / after[1]))


def from_onnx(path: Path) -> tuple[Floats, int] | None:
    """See `read_first_convolution`."""
    onnx = require("onnx", "onnx")
    graph = onnx.load(str(path)).graph
    stored = {one.name: one for one in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    first = next((node for node in graph.node if node.op_type == "Conv"), None)
    if first is None:
        return None
    kernel = _onnx_weights(onnx, first.input[1], stored, made)
    if kernel is None or kernel.ndim != 4:
        return None
    strides = next((list(one.ints) for one in first.attribute if one.name == "strides"), [1])
    return kernel.transpose(2, 3, 1, 0).astype(np.float32), int(strides[0])


def _onnx_weights(onnx: Any, name: str, stored: Any, made: Any) -> Floats | None:
    """An initializer, or one that is dequantized or cast on its way."""
    if name in stored:
        return np.asarray(onnx.numpy_helper.to_array(stored[name]), np.float32)
    node = made.get(name)
    if node is None or node.op_type not in ("DequantizeLinear", "Cast", "Identity"):
        return None
    values = _onnx_weights(onnx, node.input[0], stored, made)
    if node.op_type != "DequantizeLinear" or values is None:
        return values
    scale = _onnx_weights(onnx, node.input[1], stored, made)
    zero = _onnx_weights(onnx, node.input[2], stored, made) if len(node.input) > 2 else None
    if scale is None:
        return None
    along = (-1, *(1,) * (values.ndim - 1)) if scale.size > 1 else (1,) * values.ndim
    offset = 0.0 if zero is None else zero.reshape(along)
    return np.asarray((values - offset) * scale.reshape(along), np.float32)


def from_keras(path: Path) -> tuple[Floats, int] | None:
    """See `read_first_convolution`."""
    from edgecnn.keras_files import load_keras

    return first_convolution(load_keras(path))
