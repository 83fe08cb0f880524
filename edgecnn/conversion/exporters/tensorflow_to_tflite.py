"""TensorFlow → float32 `.tflite`, with TensorFlow's converter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.boundary import converter
from edgecnn.registry import require
from edgecnn.system import scratch

if TYPE_CHECKING:
    from edgecnn.conversion.sources.tensorflow import TensorFlowSource

SIGNATURE = "serving_default"
"""What TensorFlow calls the signature of a model saved with one endpoint."""

_HINT = "the model uses an operation that TFLite does not have; an onnx target may take it"


def write_float_tflite(source: TensorFlowSource, path: Path) -> None:
    """Convert to `path` with batch 1.

    Batch 1 because the quantizer, XNNPACK and most delegates want fixed shapes. Conversion
    goes through a SavedModel: straight from a concrete function the weights would stay behind
    resource variables (VAR_HANDLE, READ_VARIABLE), which no quantizer sees.

    Raises InputError when the converter cannot take the model.
    """
    require("tensorflow", "convert")
    with converter("TensorFlow's TFLite converter", _HINT):
        import tensorflow as tf

        source = source.for_tflite()
        module, concrete = tf.Module(), source.traced(1)
        module.weights = list(concrete.graph.variables)  # a SavedModel keeps what it can see
        module.origin = source.tracked()
        with scratch.folder() as folder:
            tf.saved_model.save(module, str(folder), signatures={SIGNATURE: concrete})
            content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
        path.write_bytes(_named(content, source.input_names, source.output_names))


def _named(content: bytes, input_names: tuple[str, ...], output_names: tuple[str, ...]) -> Any:
    """Put the graph's inputs and outputs into the model's order, and give them its names.

    The converter orders outputs as the graph happened to be traced (a model with outputs 0, 1
    and 2 gave 1, 0, 2) and calls them "StatefulPartitionedCall_1:1"; only the signature knows.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    taken = {*input_names, *output_names}
    for number, tensor in enumerate(graph.tensors):
        if _text(tensor.name) in taken:  # an inner tensor: names must be unique
            tensor.name = f"{_text(tensor.name)}_{number}"
    graph.inputs = _renamed(graph, signature.inputs, "input", input_names)
    graph.outputs = _renamed(graph, signature.outputs, "output", output_names)
    return flatbuffer_utils.convert_object_to_bytearray(model)


def _renamed(graph: Any, entries: Any, kind: str, names: tuple[str, ...]) -> list[int]:
    """Give the entries of a signature their names; their tensors in the order of `names`."""
    from edgecnn.conversion.sources.tensorflow import numbered

    by_old = {_text(entry.name): entry for entry in entries}
    ordered = [by_old[numbered(kind, number)] for number in range(len(names))]
    for entry, name in zip(ordered, names, strict=True):
        entry.name = name
        graph.tensors[entry.tensorIndex].name = name
    entries[:] = ordered
    return [int(entry.tensorIndex) for entry in ordered]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
