"""Float `.tflite` → quantized `.tflite`, with litert-quantizer; TensorFlow is not imported.

By default activation ranges are the smallest and largest values seen (min/max). The quantizer's
default, a moving average, clips what is rare: over 500 samples of digits a LeNet-5 lost 53.9 dB
with it and 56.8 dB with min/max (int16x8), a residual depthwise net 21.3 and 31.9 dB. With int8
activations, where a wide range costs resolution, the two are level (47.2 and 46.2, 23.4 and
24.6 dB).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.exporters.tensorflow_to_tflite import SIGNATURE
from edgecnn.conversion.inference.activations import GraphOperator, activations, operators_in
from edgecnn.conversion.inference.run import feeds
from edgecnn.conversion.quantizers import ranges as spans
from edgecnn.conversion.quantizers.layers import named_layers
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.sources.base import Sample
from edgecnn.errors import UnsupportedError
from edgecnn.registry import lookup, require

Ranges = Mapping[str, Mapping[str, Any]]
"""Tensor name → {"min", "max"}."""

_WITHOUT_INTEGER_KERNEL = {
    "CONV_3D": "3-D convolution",
    "CONV_3D_TRANSPOSE": "transposed 3-D convolution",
}
"""What LiteRT 2.3 computes in float32 alone, and litert-quantizer 0.11 leaves as it is."""

_PADS = ("PAD", "PADV2")
_ENDLESS = -1e30
_LOOPS = ("WHILE", "STABLEHLO_WHILE")

_LARGEST_OLD_CODE = 127
"""PLACEHOLDER_FOR_GREATER_OP_CODES: the old field has one byte."""

_TOOL = "litert-quantizer"
_HINT = "tflite:float16 and tflite:dynamic_int8 need no calibration and support more operators"


def check_recipe(float_path: Path, recipe: Recipe, loops: Sequence[str] = ()) -> None:
    """Raise UnsupportedError where `recipe` asks for integer arithmetic that TFLite lacks, or for
    ranges inside of a loop, which the quantizer does not see. `loops` names the layers that loop.
    """
    if not recipe.calibrates:
        return
    operators = operators_of(float_path)
    for name in sorted(operators & set(_WITHOUT_INTEGER_KERNEL)):
        raise unsupported_volume(name)
    for name in sorted(operators & set(_LOOPS)):
        raise unsupported_loop(name, loops)


def unsupported_volume(name: str, layer: str = "") -> UnsupportedError:
    """For the operator `name` (CONV_3D, say), made by `layer`."""
    by = f", from {layer}" if layer else ""
    return UnsupportedError(
        f"TFLite has no integer kernel for {_WITHOUT_INTEGER_KERNEL[name]} ({name}{by})",
        hint="closest: onnx:static_int8, whose runtimes compute it in integers; "
        "tflite:dynamic_int8 stores the other layers' weights as int8",
    )


def unsupported_loop(name: str, loops: Sequence[str]) -> UnsupportedError:
    """For the operator `name` (WHILE, say), made by the layers `loops`."""
    by = f", from {', '.join(loops)}" if loops else ""
    return UnsupportedError(
        f"the model loops ({name}{by}): {_TOOL} cannot calibrate inside of a loop",
        hint="build the recurrent layers with unroll=True for a fixed length, load the same "
        "weights and convert again; closest without that: onnx:static_int8, or "
        "tflite:dynamic_int8, which need no ranges inside of the loop",
    )


def kept_in_float(float_path: Path, recipe: Recipe) -> tuple[str, ...]:
    """The operators with weights that a quantized file still stores in float32."""
    if recipe.weights == "float32":
        return ()
    return tuple(sorted(operators_of(float_path) & set(_WITHOUT_INTEGER_KERNEL)))


def operators_of(path: Path) -> set[str]:
    """The names of a `.tflite` file's operators (CONV_2D, GATHER …)."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    names = {
        number: name
        for name, number in vars(schema.BuiltinOperator).items()
        if isinstance(number, int)
    }
    codes = flatbuffer_utils.read_model(str(path)).operatorCodes
    return {names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in codes}


def activation_ranges(float_path: Path, samples: Iterable[Sample]) -> Ranges:
    """Run the float model on `samples` (each (1, …)) and note what its tensors span.

    One sample is in memory at a time: `Quantizer.calibrate` would list them all first. The
    profiler-based mode gives the same ranges as the one that keeps every tensor, in half the
    time and without holding them.
    """
    require("litert_quantizer", "convert")
    with converter(_TOOL, _HINT):
        from litert_quantizer import calibrator, recipe_manager
        from litert_quantizer.utils import qsv_utils

        calibration = calibrator.Calibrator(
            float_path.read_bytes(),
            num_threads=1,
            mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
            qsv_update_func=qsv_utils.min_max_update,
        )
        recipes = recipe_manager.RecipeManager()
        recipes.load_quantization_recipe(_whole(Recipe("int8", "int8")))
        for feed in feeds(float_path, samples):
            calibration.calibrate({SIGNATURE: [feed]}, recipes)
        ranges: Ranges = calibration.get_model_qsvs()
        return without_endless_pads(operators_in(float_path), ranges)


def without_endless_pads(operators: Sequence[GraphOperator], ranges: Ranges) -> Ranges:
    """The ranges with those of padded tensors as their inputs', where the padding is the lowest
    number that there is.

    Max pooling with padding is written so (PADV2 with −3.4e38): a range from there leaves one level
    for all values. The lowest integer of the input's range is never above a value either.
    """
    adjusted = dict(ranges)
    for operator in operators:
        if operator.kind not in _PADS or not operator.inputs:
            continue
        source, padded = operator.inputs[0], operator.name
        if source in adjusted and padded in adjusted and np.min(adjusted[padded]["min"]) < _ENDLESS:
            adjusted[padded] = {key: np.array(value) for key, value in adjusted[source].items()}
    return adjusted


def calibrated(
    float_path: Path, recipe: Recipe, samples: Iterable[Sample], known: Ranges
) -> Ranges:
    """The smallest and largest values `known`, drawn in as the recipe's calibration has it.

    Runs the float model on `samples` once more, unless the recipe keeps the ends.
    """
    if recipe.calibration == "min_max":
        return known
    names = {name for operator in operators_in(float_path) for name in operator.outputs}
    names |= {name for operator in operators_in(float_path) for name in operator.inputs}
    bounds = {
        name: (float(np.min(entry["min"])), float(np.max(entry["max"])))
        for name, entry in known.items()
        if name in names
    }
    histograms = spans.histograms(activations(float_path, samples), bounds)
    chosen = spans.chosen(recipe.calibration, bounds, histograms, recipe.activations)
    drawn_in = {
        name: {"min": np.array([low]), "max": np.array([high])}
        for name, (low, high) in chosen.items()
    }
    return {**known, **drawn_in}


def quantize_tflite(
    float_path: Path, recipe: Recipe, path: Path, ranges: Ranges | None = None
) -> None:
    """Quantize `float_path` to `path`.

    Recipes that calibrate need `ranges`, and leave no float tensor but those of layers that the
    recipe keeps: inputs and outputs are int8 or int16 too.

    Raises InputError when the quantizer cannot take the model, and for a layer that it does not
    have.
    """
    require("litert_quantizer", "convert")
    rules = [*_whole(recipe), *_of_layers(recipe, float_path)]
    with converter(_TOOL, _HINT):
        from litert_quantizer import quantizer

        engine = quantizer.Quantizer(float_path.read_bytes(), rules)
        result = engine.quantize(
            _copied(ranges) if ranges is not None else None,
            enable_progress_bar=False,
            enable_progress_report=False,
        )
        path.write_bytes(_readable_by_all(result.quantized_model))


def _readable_by_all(content: bytes) -> bytes:
    """Write the code of each operator into the old field too, as schema.fbs asks for.

    The quantizer leaves it 0 for the (DE)QUANTIZE operators it adds, which is ADD to readers of
    that field: OpenVINO 2026.4 refused such a file, OpenCV 5.0 died of it.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode = min(code.builtinCode, _LARGEST_OLD_CODE)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _whole(recipe: Recipe) -> list[dict[str, Any]]:
    """The quantizer's rules for all layers."""
    from litert_quantizer import qtyping, quantizer, recipe_manager

    every = (".*", qtyping.TFLOperationName.ALL_SUPPORTED)
    by_granularity = {
        "channel": qtyping.QuantGranularity.CHANNELWISE,
        "tensor": qtyping.QuantGranularity.TENSORWISE,
    }
    scales = lookup("granularity", recipe.granularity, by_granularity)
    manager = recipe_manager.RecipeManager()

    def cast() -> None:
        key = quantizer.AlgorithmName.FLOAT_CASTING
        manager.add_weight_only_config(*every, num_bits=16, algorithm_key=key)

    def static(bits: int) -> None:
        manager.add_static_config(
            *every, activation_num_bits=bits, weight_num_bits=8, weight_granularity=scales
        )

    rules: Mapping[str, Callable[[], None]] = {
        "float16": cast,
        "dynamic_int8": lambda: manager.add_dynamic_config(*every, num_bits=8, granularity=scales),
        "static_int8": lambda: static(8),
        "int16x8": lambda: static(16),
    }
    lookup("TFLite recipe", recipe.arithmetic, rules)()
    return list(manager.get_quantization_recipe())


def _of_layers(recipe: Recipe, float_path: Path) -> list[dict[str, Any]]:
    """The rules for single layers, which win over those for all."""
    if not recipe.per_layer:
        return []
    from litert_quantizer import quantizer

    (wide,) = _whole(Recipe("int8", "int16", granularity=recipe.granularity))
    kinds: Mapping[str, dict[str, Any]] = {
        "float32": {"operation": "*", "algorithm_key": quantizer.AlgorithmName.NO_QUANTIZE},
        "int16": wide,
    }
    return [
        {**lookup("layer's arithmetic", computed, kinds), "regex": _scope(operator)}
        for operator, computed in named_layers(operators_in(float_path), recipe, float_path.name)
    ]


def _scope(operator: GraphOperator) -> str:
    """What matches this operator alone: the quantizer knows it by the names of its outputs."""
    return "^" + re.escape("".join(f"{name};" for name in operator.outputs)) + "$"


def _copied(ranges: Ranges) -> dict[str, dict[str, Any]]:
    """Ranges for one run of the quantizer, which widens them in place for some operators."""
    return {
        name: {key: np.array(value) for key, value in entry.items()}
        for name, entry in ranges.items()
    }
