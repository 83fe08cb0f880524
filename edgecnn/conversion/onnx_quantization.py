"""Float `.onnx` → quantized `.onnx`, with ONNX Runtime's tools.

Who runs what (ONNX Runtime 1.31, OpenVINO 2026.4, OpenCV 5.0): float16 and static_int8 run on
all three; dynamic_int8 on the first two, since OpenCV has no DynamicQuantizeLinear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecnn import scratch
from edgecnn.conversion import onnx_rewriting
from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference import feeds
from edgecnn.conversion.source import Sample
from edgecnn.registry import lookup, require

CALIBRATION_RULE = "min/max"
LEAST_OPSET = 13

_TOOL = "onnxruntime"
_HINT = "onnx:float32 keeps every operator as it is"


def quantize_onnx(
    float_path: Path, recipe: str, path: Path, samples: Iterable[Sample] | None = None
) -> None:
    """Quantize `float_path` to `path`.

    Inputs and outputs keep the parent's dtype. `static_int8` needs `samples`, each (1, …), and
    takes one at a time.

    Raises InputError for a recipe that nobody wrote, and when the tools cannot take the model.
    """
    require("onnxruntime", "convert").set_default_logger_severity(3)  # errors
    quantize = lookup("ONNX recipe", recipe, _RECIPES)
    with converter(f"{_TOOL}'s quantizer", _HINT):
        quantize(float_path, path, samples or ())
        onnx_rewriting.keep_metadata(float_path, path)


def _to_float16(float_path: Path, path: Path, _samples: Iterable[Sample]) -> None:
    """Weights and arithmetic in float16, with casts behind the inputs and before the outputs.

    The converter appends those casts at the end of the node list. ONNX asks for nodes in
    topological order and OpenCV insists, so they are sorted.
    """
    import onnx
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted = ONNXModel(convert_float_to_float16(onnx.load(str(float_path)), keep_io_types=True))
    converted.topological_sort()
    onnx.save(converted.model, str(path))


def _to_dynamic_int8(float_path: Path, path: Path, _samples: Iterable[Sample]) -> None:
    """int8 weights per channel; activations are quantized as they come, at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with prepared(float_path) as folded:
        quantize_dynamic(folded, path, per_channel=True, weight_type=QuantType.QInt8)


def _to_static_int8(float_path: Path, path: Path, samples: Iterable[Sample]) -> None:
    """int8 weights per channel, uint8 activations, as QuantizeLinear/DequantizeLinear pairs.

    uint8 because ONNX Runtime then drops a Relu or Clip behind a convolution into its range:
    of the five convolutions of a residual net all five ran as integers, with int8 two. Biases
    stay float: ONNX Runtime quantizes them when it loads the file (the same fused graph comes
    out), and OpenCV 5.0 cannot run a Gemm whose bias is quantized.

    Of each sample only the smallest and largest value of each tensor is kept. (The option
    CalibMaxIntermediateOutputs, which sounds like the way to bound that, throws samples away.)
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self._feeds: Iterator[dict[str, Any]] = feeds(float_path, samples)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._feeds, None)

    with prepared(float_path) as folded:
        quantize_static(
            folded,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"QuantizeBias": False},
        )


_RECIPES: Mapping[str, Callable[[Path, Path, Iterable[Sample]], None]] = {
    "float16": _to_float16,
    "dynamic_int8": _to_dynamic_int8,
    "static_int8": _to_static_int8,
}


@contextmanager
def prepared(float_path: Path) -> Iterator[Path]:
    """The float model with its shapes inferred and batch normalisation folded, as a file."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with scratch.folder() as folder:
        path = folder / "prepared.onnx"
        quant_pre_process(float_path, path, skip_symbolic_shape=True)
        _raise_opset(path)
        yield path


def _raise_opset(path: Path) -> None:
    """Bring an old file to the first opset in which (de)quantization knows channels."""
    import onnx

    model = onnx.load(str(path))
    if onnx_rewriting.opset_of(model) < LEAST_OPSET:
        why = f"weights that are quantized by channel need {LEAST_OPSET}"
        onnx_rewriting.save(onnx_rewriting.with_opset(model, LEAST_OPSET, why=why), path)
