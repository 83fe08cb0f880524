"""The float file of each format, made once and shared by all recipes of that format."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgecnn.conversion.calibration import DrawnSamples
from edgecnn.conversion.derived import DERIVED, Quantized
from edgecnn.conversion.inference import feeds
from edgecnn.conversion.onnx_quantization import quantize_onnx
from edgecnn.conversion.placing import copy_model
from edgecnn.conversion.source import SourceModel
from edgecnn.conversion.targets import Target
from edgecnn.conversion.tflite_quantization import (
    Ranges,
    activation_ranges,
    check_recipe,
    kept_in_float,
    quantize_tflite,
)
from edgecnn.errors import EdgeCNNError
from edgecnn.registry import lookup


class FloatFiles:
    """Writes targets from float files that it keeps in `folder`, and from one calibration.

    A float conversion that failed is not tried again: all recipes of the format get its error.
    """

    def __init__(self, source: SourceModel, folder: Path, calibration: DrawnSamples | None) -> None:
        self._source = source
        self._folder = folder
        self._calibration = calibration
        self._made: dict[str, Path | EdgeCNNError] = {}
        self._ranges: Ranges | None = None
        self._quantized: dict[Target, Quantized] = {}

    def write(self, target: Target, path: Path) -> None:
        """Write `target` to `path`.

        Raises InputError when a converter cannot take the model, UnsupportedError when the
        format has no such arithmetic.
        """
        if target.format in DERIVED:
            self._write_derived(target, path)
            return
        float_path = self._float_file(target.format)
        quantizers = {"tflite": self._quantize_tflite, "onnx": self._quantize_onnx}
        quantize = lookup("format", target.format, quantizers)
        if target.recipe == "float32" or self._source.carries(target):
            shutil.copyfile(float_path, path)
        else:
            quantize(target, float_path, path)

    def _write_derived(self, target: Target, path: Path) -> None:
        derived = lookup("format", target.format, DERIVED)
        if target.recipe == "float16":
            derived.write_float(self._float_file(derived.base), path, half=True)
            return
        float_path = self._float_file(target.format)
        if target.recipe == "float32":
            copy_model(float_path, path)
            return
        fed = (list(feed.values()) for feed in feeds(float_path, self._calibration or ()))
        self._quantized[target] = derived.quantize(float_path, path, fed)

    def notes(self, target: Target) -> tuple[str, ...]:
        """What is to be said about the quantization of a target that was written."""
        found = self._quantized.get(target)
        return found.notes if found else ()

    def _quantize_tflite(self, target: Target, float_path: Path, path: Path) -> None:
        check_recipe(float_path, target.recipe, self._source.loops)
        ranges = self._activation_ranges(float_path) if target.needs_calibration else None
        quantize_tflite(float_path, target.recipe, path, ranges)

    def _quantize_onnx(self, target: Target, float_path: Path, path: Path) -> None:
        quantize_onnx(float_path, target.recipe, path, self._calibration)

    def kept_in_float(self, target: Target) -> tuple[str, ...]:
        """Operators whose weights stay float32 although the recipe asks for less."""
        if target in self._quantized:
            return self._quantized[target].kept_in_float
        if target.format != "tflite" or self._source.carries(target):
            return ()
        return kept_in_float(self._float_file("tflite"), target.recipe)

    def _float_file(self, file_format: str) -> Path:
        if file_format not in self._made:
            path = self._folder / Target(file_format, "float32").file_name("model")
            try:
                if file_format in DERIVED:
                    derived = lookup("format", file_format, DERIVED)
                    derived.write_float(self._float_file(derived.base), path, half=False)
                else:
                    self._source.write_float(file_format, path)
                self._made[file_format] = path
            except EdgeCNNError as error:
                self._made[file_format] = error
        made = self._made[file_format]
        if isinstance(made, EdgeCNNError):
            raise made
        return made

    def _activation_ranges(self, float_path: Path) -> Ranges:
        """Shared by static_int8 and int16x8: what tensors span does not depend on the bits."""
        if self._ranges is None:
            self._ranges = activation_ranges(float_path, self._calibration or ())
        return self._ranges
