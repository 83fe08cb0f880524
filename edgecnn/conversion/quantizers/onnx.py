"""Float `.onnx` → quantized `.onnx`, with ONNX Runtime's tools.

Who runs what (ONNX Runtime 1.31, OpenVINO 2026.4, OpenCV 5.0): float16 and static_int8 run on
all three; dynamic_int8 on the first two, since OpenCV has no DynamicQuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.activations import activations, operators_in
from edgecnn.conversion.inference.run import feeds
from edgecnn.conversion.quantizers import ranges as spans
from edgecnn.conversion.quantizers.layers import named_layers
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.rewriting.onnx import plain_form
from edgecnn.conversion.rewriting.onnx.scale_folding import fold_scales
from edgecnn.conversion.sources.base import Sample
from edgecnn.errors import UnsupportedError
from edgecnn.registry import lookup, require
from edgecnn.system import scratch

Ranges = Mapping[str, spans.Bounds]
"""Tensor name → (smallest, largest)."""

LEAST_OPSET = 13
_ENDLESS = -1e30

_TOOL = "onnxruntime"
_HINT = "onnx:float32 keeps every operator as it is"


def quantize_onnx(
    float_path: Path,
    recipe: Recipe,
    path: Path,
    samples: Iterable[Sample] | None = None,
    ranges: Ranges | None = None,
) -> None:
    """Quantize `float_path` to `path`.

    Inputs and outputs keep the parent's dtype. Recipes that calibrate need `samples`, each
    (1, …), and take one at a time, or else `ranges` (see `calibrated`).

    Raises InputError for a recipe that nobody wrote, for a layer that the file does not have, and
    when the tools cannot take the model.
    """
    require("onnxruntime", "convert").set_default_logger_severity(3)  # errors
    quantize = lookup("ONNX recipe", recipe.arithmetic, _RECIPES)
    with converter(f"{_TOOL}'s quantizer", _HINT):
        quantize(float_path, path, recipe, samples or (), ranges)
        plain_form.keep_metadata(float_path, path)


def needs_ranges(recipe: Recipe) -> bool:
    """Whether a recipe takes the ranges of `calibrated`; those of others ONNX Runtime's quantizer
    finds by itself.
    """
    return recipe.calibrates and (recipe.calibration != "min_max" or bool(recipe.per_layer))


def calibrated(
    float_path: Path, recipe: Recipe, samples: Iterable[Sample]
) -> dict[str, spans.Bounds]:
    """The range of each activation of the float file by the recipe's calibration.

    Runs the file on `samples` once, or twice where it matters how values lie within their range.
    """
    with converter(f"{_TOOL}'s calibration", _HINT), prepared(float_path) as folded:
        bounds: dict[str, spans.Bounds] = {}
        for values in activations(folded, samples):
            for name, array in values.items():
                if not array.size:
                    continue
                low, high = float(np.min(array)), float(np.max(array))
                before = bounds.get(name, (low, high))
                bounds[name] = (min(low, before[0]), max(high, before[1]))
        if recipe.calibration == "min_max":
            return bounds
        histograms = spans.histograms(activations(folded, samples), bounds)
        return spans.chosen(recipe.calibration, bounds, histograms, recipe.activations)


def _to_float16(float_path: Path, path: Path, *_others: object) -> None:
    """Weights and arithmetic in float16, with casts behind the inputs and before the outputs.

    The converter appends those casts at the end of the node list. ONNX asks for nodes in
    topological order and OpenCV insists, so they are sorted.
    """
    import onnx
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted = ONNXModel(convert_float_to_float16(onnx.load(str(float_path)), keep_io_types=True))
    converted.topological_sort()
    _name_apart(converted.model.graph)
    onnx.save(converted.model, str(path))


def _name_apart(graph: Any) -> None:
    """Two casts of one constant get one name from the converter, which ONNX forbids."""
    seen: set[str] = set()
    for index, node in enumerate(graph.node):
        if node.name in seen:
            node.name = f"{node.name}_{index}"
        seen.add(node.name)


def _to_dynamic_int8(float_path: Path, path: Path, recipe: Recipe, *_others: object) -> None:
    """int8 weights; activations are quantized as they come, at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with prepared(float_path) as folded:
        quantize_dynamic(
            folded,
            path,
            per_channel=recipe.granularity == "channel",
            weight_type=QuantType.QInt8,
        )


def _to_static_int8(
    float_path: Path,
    path: Path,
    recipe: Recipe,
    samples: Iterable[Sample],
    ranges: Ranges | None,
) -> None:
    """int8 weights, uint8 activations, as QuantizeLinear/DequantizeLinear pairs.

    uint8 because ONNX Runtime then drops a Relu or Clip behind a convolution into its range:
    of the five convolutions of a residual net all five ran as integers, with int8 two. Biases
    stay float: ONNX Runtime quantizes them when it loads the file (the same fused graph comes
    out), and OpenCV 5.0 cannot run a Gemm whose bias is quantized.

    Of each sample only the smallest and largest value of each tensor is kept. (The option
    CalibMaxIntermediateOutputs, which sounds like the way to bound that, throws samples away.)
    """
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    with prepared(float_path) as folded, scratch.folder() as folder:
        kept = _kept_nodes(folded, recipe)
        known: dict[str, Any] = {}
        if ranges is not None:
            known["calibration_cache_path"] = _remembered(ranges, folder / "ranges.json")
        quantize_static(
            folded,
            path,
            None if known else _reader(float_path, samples),
            quant_format=QuantFormat.QDQ,
            per_channel=recipe.granularity == "channel",
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=kept,
            extra_options={"QuantizeBias": False},
            **known,
        )
    if kept:
        _shield(path, set(kept))


_LOWEST = "edgecnn.lowest"


def _shield(path: Path, kept: set[str]) -> None:
    """Keep ONNX Runtime from quantizing what was kept in float32.

    Between a DequantizeLinear and a QuantizeLinear it takes float weights for an oversight and
    makes them int8, with one scale for the whole tensor (WeightBiasQuantization, since 1.20), so
    that a layer kept in float32 loses more than one that is quantized. It looks behind Relu and
    Clip alone: a maximum with the lowest number, which changes nothing, stops it.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    takers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    shields = []
    for node in graph.node:
        end = node.output[0] if node.output else ""
        if node.name not in kept:
            continue
        while len(takers.get(end, ())) == 1 and takers[end][0].op_type in ("Relu", "Clip"):
            end = takers[end][0].output[0]
        for quantizer in takers.get(end, ()):
            if quantizer.op_type == "QuantizeLinear" and quantizer.input[0] == end:
                quantizer.input[0] = f"{end}_kept"
                shields.append((end, quantizer))
    if not shields:
        return
    lowest = np.asarray(np.finfo(np.float32).min, np.float32)
    graph.initializer.append(numpy_helper.from_array(lowest, _LOWEST))
    nodes = []
    behind = {end: helper.make_node("Max", [end, _LOWEST], [f"{end}_kept"]) for end, _ in shields}
    for node in graph.node:
        nodes.append(node)
        nodes += [behind.pop(name) for name in node.output if name in behind]
    plain_form.set_nodes(graph, nodes)
    onnx.save(model, str(path))


def _reader(float_path: Path, samples: Iterable[Sample]) -> Any:
    """The samples as the tool asks for them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self._feeds: Iterator[dict[str, Any]] = feeds(float_path, samples)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._feeds, None)

    return Reader()


def _remembered(ranges: Ranges, path: Path) -> Path:
    """`ranges` as the tool remembers those of a calibration."""
    from onnxruntime.quantization.calibrate import (
        CalibrationMethod,
        TensorsData,
        save_tensors_data,
    )

    ends = {
        name: (np.asarray(low, np.float32), np.asarray(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, ends), path)
    return path


def _kept_nodes(path: Path, recipe: Recipe) -> list[str]:
    """The names of the nodes that stay float32."""
    if not recipe.per_layer:
        return []
    import onnx

    kept = set()
    for operator, computed in named_layers(operators_in(path), recipe, path.name):
        if computed != "float32":
            raise UnsupportedError(
                f"onnx: {operator.name} cannot compute in {computed}: no runtime of .onnx files "
                "has integer kernels for it",
                hint="keep the layer in float32, or convert to tflite",
            )
        kept.add(operator.outputs)
    nodes = onnx.load(str(path), load_external_data=False).graph.node
    return [node.name for node in nodes if tuple(node.output) in kept]


_RECIPES: Mapping[str, Callable[[Path, Path, Recipe, Iterable[Sample], Ranges | None], None]] = {
    "float16": _to_float16,
    "dynamic_int8": _to_dynamic_int8,
    "static_int8": _to_static_int8,
}


@contextmanager
def prepared(float_path: Path) -> Iterator[Path]:
    """The float model with its shapes inferred, batch normalization folded and every node named,
    as a file.
    """
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with scratch.folder() as folder:
        path = folder / "prepared.onnx"
        quant_pre_process(float_path, path, skip_symbolic_shape=True)
        _raise_opset(path)
        model = onnx.load(str(path))
        changed = pools_with_own_pads(model.graph)
        changed |= bool(fold_scales(model))
        if _name_nodes(model.graph) or changed:
            onnx.save(model, str(path))
        yield path


def pools_with_own_pads(graph: Any) -> bool:
    """Put padding with the lowest float into the max pooling behind it, which pads so by itself;
    whether there was any.

    The range of such a padded tensor would leave one level for all of its values.
    """
    from onnx import helper, numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    takers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    folded = []
    for pad in graph.node:
        pads = _spatial_pads(pad, constants)
        behind = takers.get(pad.output[0], [])
        if pads is None or pad.output[0] in outputs:
            continue
        if not behind or not all(_can_absorb(node, pads) for node in behind):
            continue
        for pool in behind:
            kept = [each for each in pool.attribute if each.name not in ("pads", "auto_pad")]
            del pool.attribute[:]
            pool.attribute.extend([*kept, helper.make_attribute("pads", pads)])
            pool.input[0] = pad.input[0]
        folded.append(pad)
    for pad in folded:
        graph.node.remove(pad)
    return bool(folded)


def _spatial_pads(node: Any, constants: Mapping[str, Any]) -> list[int] | None:
    """The begins and ends of a padding with the lowest float along the axes of an image."""
    if node.op_type != "Pad" or len(node.input) < 3 or len(node.input) > 3:
        return None
    if any(each.name == "mode" and each.s != b"constant" for each in node.attribute):
        return None
    pads, value = (constants.get(name) for name in node.input[1:3])
    if pads is None or value is None or not value.size or float(value.ravel()[0]) > _ENDLESS:
        return None
    begins, ends = (part.tolist() for part in (pads[: len(pads) // 2], pads[len(pads) // 2 :]))
    whole = [int(each) for each in (*begins[:2], *ends[:2])]
    if any(whole) or min((*begins, *ends), default=0) < 0:
        return None
    return [int(each) for each in (*begins[2:], *ends[2:])]


def _can_absorb(node: Any, pads: Sequence[int]) -> bool:
    """Whether a node is max pooling of one output without padding of its own, whose windows reach
    beyond these pads.
    """
    known = {each.name: each for each in node.attribute}
    kernel = list(known["kernel_shape"].ints) if "kernel_shape" in known else []
    return (
        node.op_type == "MaxPool"
        and len(node.output) == 1
        and len(pads) == 2 * len(kernel)
        and all(pad < size for pad, size in zip(pads, 2 * kernel, strict=True))
        and not any(known["pads"].ints if "pads" in known else ())
        and (known["auto_pad"].s if "auto_pad" in known else b"NOTSET") in (b"NOTSET", b"VALID")
        and not (known["ceil_mode"].i if "ceil_mode" in known else 0)
    )


def _name_nodes(graph: Any) -> bool:
    """Name nodes that have no name, as nodes are kept by name; whether there were any."""
    unnamed = [node for node in graph.node if not node.name]
    for node in unnamed:
        node.name = f"of {node.output[0]}" if node.output else "of nothing"
    return bool(unnamed)


def _raise_opset(path: Path) -> None:
    """Bring an old file to the first opset in which (de)quantization knows channels."""
    import onnx

    model = onnx.load(str(path))
    if plain_form.opset_of(model) < LEAST_OPSET:
        why = f"weights that are quantized by channel need {LEAST_OPSET}"
        plain_form.save(plain_form.with_opset(model, LEAST_OPSET, why=why), path)
