"""Operators of a model file, and the real values of all its activations.

Quantized values come back as real ones, so that a float file and a quantized one of the same
network can be compared tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.run import feeds
from edgecnn.conversion.sources.base import Sample
from edgecnn.errors import UnsupportedError
from edgecnn.registry import lookup
from edgecnn.runtimes.onnxruntime import exact_session

Array = npt.NDArray[Any]
Values = Mapping[str, Array]
"""Tensor name → real values, batch first."""

_DEQUANTIZED = "_DequantizeLinear_Output"


@dataclass(frozen=True)
class GraphOperator:
    """One operator of a graph. Constants are left out of `inputs`; `name` is that of its first
    output, which names the layer in either format.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """What a recipe's `per_layer` calls it."""
        return self.outputs[0] if self.outputs else ""


def operators_in(path: Path) -> list[GraphOperator]:
    """The operators of a float `.tflite` or `.onnx` file in the order in which they run.

    Raises UnsupportedError for other formats, InputError for a file that cannot be read.
    """
    read = {".tflite": _tflite_operators, ".onnx": _onnx_operators}.get(path.suffix.lower())
    if read is None:
        raise UnsupportedError(f"{path.name}: layers are known of .tflite and .onnx files")
    with converter("the reader of layers"):
        return read(path)


def activations(path: Path, samples: Iterable[Sample]) -> Iterator[Values]:
    """Real values of all activations by name, sample by sample; `samples` are (1, …) each.

    The file's own runtime computes them, operator by operator, without fusing any. Those of one
    sample can be read until the next one is asked for.
    """
    runs = {".tflite": _run_tflite, ".onnx": _run_onnx}
    yield from lookup("format with activations", path.suffix.lower(), runs)(path, samples)


def _interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def _tflite_operators(path: Path) -> list[GraphOperator]:
    interpreter = _interpreter(path)
    operators = interpreter._get_ops_details()  # noqa: SLF001 (the only way to the graph)
    names = {entry["index"]: entry["name"] for entry in interpreter.get_tensor_details()}
    made = {int(index) for operator in operators for index in operator["outputs"]}
    made |= {int(entry["index"]) for entry in interpreter.get_input_details()}

    def named(indices: Iterable[int]) -> tuple[str, ...]:
        return tuple(names[int(index)] for index in indices if int(index) in made)

    return [
        GraphOperator(operator["op_name"], named(operator["inputs"]), named(operator["outputs"]))
        for operator in operators
    ]


class _Tensors(Mapping[str, Array]):
    """Tensors of an interpreter, read when they are asked for: all together they may be large."""

    def __init__(self, interpreter: Any, details: Iterable[Mapping[str, Any]]) -> None:
        self._interpreter = interpreter
        self._details = {item["name"]: item for item in details}

    def __getitem__(self, name: str) -> Array:
        item = self._details[name]
        return _real(self._interpreter.get_tensor(item["index"]), item)

    def __iter__(self) -> Iterator[str]:
        return iter(self._details)

    def __len__(self) -> int:
        return len(self._details)


def _run_tflite(path: Path, samples: Iterable[Sample]) -> Iterator[Values]:
    interpreter = _interpreter(path)
    entries = interpreter.get_input_details()
    operators = interpreter._get_ops_details()  # noqa: SLF001
    wanted = {int(index) for operator in operators for index in operator["outputs"]}
    wanted |= {int(entry["index"]) for entry in entries}
    tensors = _Tensors(
        interpreter, (item for item in interpreter.get_tensor_details() if item["index"] in wanted)
    )
    for feed in feeds(path, samples):
        for entry, tensor in zip(entries, feed.values(), strict=True):
            interpreter.set_tensor(entry["index"], tensor)
        interpreter.invoke()
        yield tensors


def _real(array: Array, entry: Mapping[str, Any]) -> Array:
    scale, zero_point = entry["quantization"]
    return (array.astype(np.float64) - zero_point) * scale if scale else array.astype(np.float64)


def _onnx_operators(path: Path) -> list[GraphOperator]:
    import onnx

    graph = onnx.load(str(path)).graph
    stored = {constant.name for constant in graph.initializer}
    return [
        GraphOperator(
            node.op_type,
            tuple(name for name in node.input if name and name not in stored),
            tuple(node.output),
        )
        for node in graph.node
        if node.op_type != "Constant"
    ]


def _run_onnx(path: Path, samples: Iterable[Sample]) -> Iterator[dict[str, Array]]:
    """Where a tensor is quantized its value behind that counts: the quantizer leaves out a Relu
    that the range of the integers does as well, so that the tensor before it holds other values.
    """
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    kinds = {
        value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    output_names = {value.name for value in model.graph.output}
    model.graph.output.extend(
        kinds[name]
        for node in model.graph.node
        for name in node.output
        if name in kinds
        and name not in output_names
        and kinds[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    )
    names = [value.name for value in model.graph.output]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = exact_session(
        onnxruntime, model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    for feed in feeds(path, samples):
        tensors = dict(zip(names, session.run(names, feed), strict=True))
        behind = {
            name.removesuffix(_DEQUANTIZED): array
            for name, array in tensors.items()
            if name.endswith(_DEQUANTIZED)
        }
        yield feed | tensors | behind
