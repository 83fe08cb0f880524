"""Which layers of a quantized file cost its accuracy: float and quantized tensors, side by side.

Both files run on the same samples, and of each layer's output the noise-to-signal ratio is
taken: ‖quantized − float‖² / ‖float‖², summed over the samples. What a layer adds is its
ratio less the largest among its inputs; its share is that part of all that was added. (Noise
from two layers may also cancel, so that shares are a guide to where to look, not a proof.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import scratch
from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference import feeds
from edgecnn.conversion.onnx_quantization import prepared
from edgecnn.conversion.source import Sample, SourceModel
from edgecnn.errors import UnsupportedError

Array = npt.NDArray[Any]

SAMPLES = 32
_DEQUANTIZED = "_DequantizeLinear_Output"


@dataclass(frozen=True)
class LayerNoise:
    """A layer's output beside the float model's: `snr_db` there, `share` (0 … 1) of the noise
    that this layer added.
    """

    name: str
    operator: str
    snr_db: float
    share: float


@dataclass(frozen=True)
class _Layer:
    """One operator of the float graph, its tensors by name, constants left out."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def layer_noise(source: SourceModel, path: Path, samples: Iterable[Sample]) -> list[LayerNoise]:
    """The layers of the quantized file `path`, made from `source`, costliest first.

    `samples` are (1, …) each; the first 32 are used. The float file is made anew. Raises
    UnsupportedError for other formats than .tflite and .onnx, InputError when a tool fails.
    """
    kind = path.suffix.lower()
    if kind not in (".tflite", ".onnx"):
        raise UnsupportedError(f"{path.name}: layers are compared in .tflite and .onnx files")
    chosen = list(islice(samples, SAMPLES))
    with scratch.folder() as folder:
        original = folder / f"float32{kind}"
        source.write_float(kind.lstrip("."), original)
        if kind == ".tflite":
            return _ranked(_tflite_layers(original), _ratios(_run_tflite, original, path, chosen))
        with prepared(original) as folded:
            return _ranked(_onnx_layers(folded), _ratios(_run_onnx, folded, path, chosen))


def _ratios(
    run: Any, original: Path, quantized: Path, samples: Sequence[Sample]
) -> dict[str, float]:
    """Noise-to-signal ratio of each tensor that both files have."""
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    with converter("the comparison of layers"):
        for expected, found in zip(run(original, samples), run(quantized, samples), strict=True):
            for name in expected.keys() & found.keys():
                real = expected[name].astype(np.float64)
                if real.shape != found[name].shape:
                    continue
                signal[name] = signal.get(name, 0.0) + float((real**2).sum())
                noise[name] = noise.get(name, 0.0) + float(((found[name] - real) ** 2).sum())
    return {name: noise[name] / power for name, power in signal.items() if power > 0}


def _ranked(layers: Sequence[_Layer], ratios: Mapping[str, float]) -> list[LayerNoise]:
    added = []
    entering = {name for layer in layers for name in layer.inputs} - {
        name for layer in layers for name in layer.outputs
    }
    firsts = [_Layer("input", (), (name,)) for name in sorted(entering)]
    for layer in (*firsts, *layers):
        leaving = [ratios[name] for name in layer.outputs if name in ratios]
        if leaving:
            before = max((ratios.get(name, 0.0) for name in layer.inputs), default=0.0)
            added.append((layer, leaving[0], max(leaving[0] - before, 0.0)))
    total = sum(part for *_, part in added) or 1.0
    found = [
        LayerNoise(
            layer.outputs[0].partition(";")[0].removesuffix(":0"),
            layer.operator,
            -10 * math.log10(ratio) if ratio > 0 else math.inf,
            part / total,
        )
        for layer, ratio, part in added
    ]
    return sorted(found, key=lambda layer: layer.share, reverse=True)


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


def _tflite_layers(path: Path) -> list[_Layer]:
    with converter("LiteRT"):
        interpreter = _interpreter(path)
        operators = interpreter._get_ops_details()  # noqa: SLF001 (the only way to the graph)
        names = {entry["index"]: entry["name"] for entry in interpreter.get_tensor_details()}
    made = {int(index) for operator in operators for index in operator["outputs"]}
    made |= {int(entry["index"]) for entry in interpreter.get_input_details()}

    def named(indices: Iterable[int]) -> tuple[str, ...]:
        return tuple(names[int(index)] for index in indices if int(index) in made)

    return [
        _Layer(operator["op_name"], named(operator["inputs"]), named(operator["outputs"]))
        for operator in operators
    ]


def _run_tflite(path: Path, samples: Sequence[Sample]) -> Iterator[dict[str, Array]]:
    """Real values of all activations by name, sample by sample."""
    interpreter = _interpreter(path)
    entries = interpreter.get_input_details()
    operators = interpreter._get_ops_details()  # noqa: SLF001
    wanted = {int(index) for operator in operators for index in operator["outputs"]}
    wanted |= {int(entry["index"]) for entry in entries}
    details = [item for item in interpreter.get_tensor_details() if int(item["index"]) in wanted]
    for feed in feeds(path, samples):
        for entry, tensor in zip(entries, feed.values(), strict=True):
            interpreter.set_tensor(entry["index"], tensor)
        interpreter.invoke()
        yield {item["name"]: _real(interpreter.get_tensor(item["index"]), item) for item in details}


def _real(array: Array, entry: Mapping[str, Any]) -> Array:
    scale, zero_point = entry["quantization"]
    return (array.astype(np.float64) - zero_point) * scale if scale else array.astype(np.float64)


def _onnx_layers(path: Path) -> list[_Layer]:
    import onnx

    graph = onnx.load(str(path)).graph
    stored = {constant.name for constant in graph.initializer}
    return [
        _Layer(
            node.op_type,
            tuple(name for name in node.input if name and name not in stored),
            tuple(node.output),
        )
        for node in graph.node
        if node.op_type != "Constant"
    ]


def _run_onnx(path: Path, samples: Sequence[Sample]) -> Iterator[dict[str, Array]]:
    """Float activations by name, sample by sample.

    Where a tensor is quantized its value behind that counts: the quantizer leaves out a Relu
    that the range of the integers does as well, so that the tensor before it holds other values.
    """
    import onnx
    import onnxruntime

    model = onnx.load(str(path))
    kinds = {
        value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    there = {value.name for value in model.graph.output}
    model.graph.output.extend(
        kinds[name]
        for node in model.graph.node
        for name in node.output
        if name in kinds
        and name not in there
        and kinds[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    )
    names = [value.name for value in model.graph.output]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for feed in feeds(path, samples):
        found = dict(zip(names, session.run(names, feed), strict=True))
        behind = {
            name.removesuffix(_DEQUANTIZED): array
            for name, array in found.items()
            if name.endswith(_DEQUANTIZED)
        }
        yield found | behind
