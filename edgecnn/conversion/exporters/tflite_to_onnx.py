"""`.tflite` → `.onnx`, with tf2onnx.

A quantized file keeps its numbers: its operators become QuantizeLinear/DequantizeLinear pairs.
Its integer inputs and outputs become real ones, as in every other ONNX file that edgecnn writes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.exporters.tensorflow_to_onnx import OPSET
from edgecnn.conversion.rewriting.onnx import plain_form as onnx_form
from edgecnn.conversion.rewriting.tflite import plain_form as tflite_form
from edgecnn.errors import UnsupportedError
from edgecnn.keras_files import import_keras
from edgecnn.manifest import TensorSpec
from edgecnn.registry import require
from edgecnn.system import scratch

if TYPE_CHECKING:
    from edgecnn.conversion.sources.files import FileSource

_HINT = "the model uses an operation that tf2onnx does not know; a tflite target may take it"
_FLOAT = 1
_MOST_NAMED = 3

KNOWN = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BITWISE_XOR
    BROADCAST_TO CAST CEIL COMPLEX_ABS CONCATENATION CONV_2D CONV_3D CONV_3D_TRANSPOSE COS CUMSUM
    DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV
    FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF
    L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MAX_POOL_2D
    MEAN MINIMUM MIRROR_PAD MUL MULTINOMIAL NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
    NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANDOM_STANDARD_NORMAL RANDOM_UNIFORM
    RANGE RANK REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D RIGHT_SHIFT ROUND
    RSQRT SCATTER_ND SEGMENT_SUM SELECT SELECT_V2 SHAPE SIGN SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
    SPACE_TO_DEPTH SPARSE_TO_DENSE SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE
    STRIDED_SLICE SUB SUM TANH TFLite_Detection_PostProcess TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV
    UNIQUE UNPACK UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD
    UNSORTED_SEGMENT_SUM WHERE WHILE ZEROS_LIKE
    """.split()  # noqa: SIM905 (a hundred quotes would hide the names)
)
"""The operators that tf2onnx 1.17 converts. It leaves others as they are, in a file that no
runtime loads, so that they are looked for first."""


def write(source: FileSource, path: Path) -> None:
    """Raises UnsupportedError for operators that tf2onnx does not know, with a layer of each."""
    import_keras()  # loads TensorFlow without its log lines
    require("tf2onnx", "convert")
    with scratch.folder() as folder:
        fixed = folder / "fixed.tflite"
        source.write_float_graph(fixed)
        with converter("tf2onnx", _HINT):
            import onnx
            import tf2onnx

            model, _ = tf2onnx.convert.from_tflite(str(fixed), opset=OPSET)
            _check_nodes(model)
            # write_float_graph named the tensors so.
            inputs = tflite_form.unique_names(source.session.inputs, "input")
            outputs = tflite_form.unique_names(source.session.outputs, "output")
            _with_names(model, inputs, outputs)
            _with_real_values(model, source.session.inputs, source.session.outputs)
            onnx.checker.check_model(model)
            onnx_form.save(model, path)


def check(source: FileSource) -> None:
    """Raise UnsupportedError for operators that tf2onnx does not know."""
    model = tflite_form.read(source.original.read_bytes())
    names = tflite_form.operator_names(model)
    unknown: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = names[operator.opcodeIndex]
            if name not in KNOWN:
                counts[name] += 1
                unknown.setdefault(name, tflite_form.layer_of(graph, operator))
    if unknown:
        listing = ", ".join(
            f"{name} (layer {layer!r}{f', {counts[name]} in all' if counts[name] > 1 else ''})"
            for name, layer in list(unknown.items())[:_MOST_NAMED]
        )
        raise UnsupportedError(
            f"tf2onnx has no ONNX form of {listing}",
            hint="keep the file as TFLite, or export ONNX from the framework it was trained in",
        )


def _check_nodes(model: Any) -> None:
    unconverted = {
        node.op_type: node.name for node in model.graph.node if node.op_type.startswith("TFL_")
    }
    if unconverted:
        listing = ", ".join(f"{kind[4:]} (layer {name!r})" for kind, name in unconverted.items())
        raise UnsupportedError(f"tf2onnx left {listing} as it was", hint=_HINT)


def _with_names(model: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    """Put inputs and outputs into the file's order; tf2onnx may add ":0" to their names."""
    for values, wanted in ((model.graph.input, inputs), (model.graph.output, outputs)):
        plain = {value.name.removesuffix(":0"): value for value in values}
        if set(plain) == {name.removesuffix(":0") for name in wanted}:
            ordered = [plain[name.removesuffix(":0")] for name in wanted]
            copies = [type(value)() for value in ordered]
            for copy, value in zip(copies, ordered, strict=True):
                copy.CopyFrom(value)
            del values[:]
            values.extend(copies)


def _with_real_values(
    model: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> None:
    """Take and give real values where the file takes and gives integers with a scale."""
    from onnx import helper

    front, back = [], []
    for value, spec in zip(model.graph.input, inputs, strict=True):
        if not spec.scale:
            continue
        inner = f"{value.name}_stored"
        _renamed(model, value.name, inner)
        constants = _scale(model, value.name, spec)
        front.append(helper.make_node("QuantizeLinear", [value.name, *constants], [inner]))
        value.type.tensor_type.elem_type = _FLOAT
    for value, spec in zip(model.graph.output, outputs, strict=True):
        if not spec.scale:
            continue
        inner = f"{value.name}_stored"
        _renamed(model, value.name, inner)
        constants = _scale(model, value.name, spec)
        back.append(helper.make_node("DequantizeLinear", [inner, *constants], [value.name]))
        value.type.tensor_type.elem_type = _FLOAT
    nodes = [*front, *model.graph.node, *back]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _scale(model: Any, name: str, spec: TensorSpec) -> tuple[str, str]:
    """The names of a scale and a zero point that are added to the weights."""
    import numpy as np
    from onnx import numpy_helper

    names = (f"{name}_scale", f"{name}_zero_point")
    values = (np.float32(spec.scale), np.dtype(spec.dtype).type(spec.zero_point or 0))
    for each, value in zip(names, values, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), each))
    return names


def _renamed(model: Any, old: str, new: str) -> None:
    """Call a tensor otherwise in all nodes; inputs and outputs of the graph keep their names."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
