"""The float file of each format, made once and shared by all recipes of that format."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edgecnn.conversion.calibration import DrawnSamples
from edgecnn.conversion.exporters.derived import DERIVED, Quantized
from edgecnn.conversion.inference.crash_check import refuse_what_crashes
from edgecnn.conversion.inference.run import feeds
from edgecnn.conversion.placing import copy_model
from edgecnn.conversion.quantizers import onnx as onnx_quantizer
from edgecnn.conversion.quantizers import tflite as tflite_quantizer
from edgecnn.conversion.quantizers.weight_adjustment import (
    AdjustedWeights,
    adjust_weights,
    changes_weights,
)
from edgecnn.conversion.quantizers.weighted import WeightedLayer
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.sources.base import Sample, SourceModel
from edgecnn.conversion.targets import Target
from edgecnn.errors import EdgeCNNError
from edgecnn.registry import lookup


class FloatFiles:
    """Writes targets from float files that it keeps in `folder`, and from one calibration.

    A float conversion that failed is not tried again: all recipes of the format get its error.
    Ranges are found once for each float file and kind of calibration, rounded weights once for all
    recipes that keep different layers in float.
    """

    def __init__(self, source: SourceModel, folder: Path, calibration: DrawnSamples | None) -> None:
        self._source = source
        self._folder = folder
        self._calibration = calibration
        self._made: dict[str, Path | EdgeCNNError] = {}
        self._quantized: dict[Target, Quantized] = {}
        self._improved: dict[tuple[str, Recipe], tuple[Path, AdjustedWeights]] = {}
        self._weights: dict[tuple[str, Recipe], dict[str, WeightedLayer]] = {}
        self._ends: dict[Path, tflite_quantizer.Ranges] = {}
        self._drawn_in: dict[tuple[Path, str, str], tflite_quantizer.Ranges] = {}
        self._bounds: dict[tuple[Path, str, str], onnx_quantizer.Ranges] = {}

    def write(self, target: Target, path: Path) -> None:
        """Write `target` to `path`.

        Raises InputError when a converter cannot take the model, UnsupportedError when the
        format has no such arithmetic.
        """
        if target.format in DERIVED:
            self._write_derived(target, path)
            return
        if self._source.carries(target):
            self._source.write_quantized(target.format, path)
            return
        float_path = self.float_file(target.format)
        quantizers = {"tflite": self._quantize_tflite, "onnx": self._quantize_onnx}
        quantize = lookup("format", target.format, quantizers)
        recipe = target.spec
        if recipe.weights == "float32":
            shutil.copyfile(float_path, path)
        else:
            quantize(recipe, float_path, path)
            if target.format == "onnx":
                refuse_what_crashes(path)

    def _write_derived(self, target: Target, path: Path) -> None:
        derived = lookup("format", target.format, DERIVED)
        if target.recipe == "float16":
            derived.write_float(self.float_file(derived.base), path, half=True)
            return
        float_path = self.float_file(target.format)
        if target.recipe == "float32":
            copy_model(float_path, path)
            return
        fed = (list(feed.values()) for feed in feeds(float_path, self._samples()))
        self._quantized[target] = derived.quantize(float_path, path, fed)

    def notes(self, target: Target) -> tuple[str, ...]:
        """What is to be said about the quantization of a target that was written."""
        quantized = self._quantized.get(target)
        return quantized.notes if quantized else ()

    def improved(self, target: Target) -> AdjustedWeights | None:
        """What was done to the weights for a target that was written; None for nothing."""
        entry = self._improved.get((target.format, _of_weights(target.spec)))
        return entry[1] if entry else None

    def kept_in_float(self, target: Target) -> tuple[str, ...]:
        """Operators whose weights stay float32 although the recipe asks for less."""
        if target in self._quantized:
            return self._quantized[target].kept_in_float
        if target.format != "tflite" or self._source.carries(target):
            return ()
        return tflite_quantizer.kept_in_float(self.float_file("tflite"), target.spec)

    def float_file(self, file_format: str) -> Path:
        """The float32 file of a format. Raises what its converter raises, each time."""
        if file_format not in self._made:
            path = self._folder / Target(file_format, "float32").file_name("model")
            try:
                if file_format in DERIVED:
                    derived = lookup("format", file_format, DERIVED)
                    derived.write_float(self.float_file(derived.base), path, half=False)
                else:
                    self._source.write_float(file_format, path)
                self._made[file_format] = path
            except EdgeCNNError as error:
                self._made[file_format] = error
        made = self._made[file_format]
        if isinstance(made, EdgeCNNError):
            raise made
        return made

    def _samples(self) -> Iterable[Sample]:
        return self._calibration or ()

    def _quantize_tflite(self, recipe: Recipe, float_path: Path, path: Path) -> None:
        tflite_quantizer.check_recipe(float_path, recipe, self._source.loops)
        improved = self._with_levers(recipe, float_path)
        ranges = self._tflite_ranges(improved, recipe) if recipe.calibrates else None
        tflite_quantizer.quantize_tflite(improved, recipe, path, ranges)

    def _quantize_onnx(self, recipe: Recipe, float_path: Path, path: Path) -> None:
        improved = self._with_levers(recipe, float_path)
        if not onnx_quantizer.needs_ranges(recipe):
            onnx_quantizer.quantize_onnx(improved, recipe, path, self._samples())
            return
        key = (improved, recipe.calibration, recipe.activations)
        if key not in self._bounds:
            self._bounds[key] = onnx_quantizer.calibrated(improved, recipe, self._samples())
        onnx_quantizer.quantize_onnx(improved, recipe, path, ranges=self._bounds[key])

    def _tflite_ranges(self, float_path: Path, recipe: Recipe) -> tflite_quantizer.Ranges:
        """Shared by static_int8 and int16x8: what tensors span does not depend on the bits."""
        if float_path not in self._ends:
            ranges = tflite_quantizer.activation_ranges(float_path, self._samples())
            self._ends[float_path] = ranges
        key = (float_path, recipe.calibration, recipe.activations)
        if key not in self._drawn_in:
            self._drawn_in[key] = tflite_quantizer.calibrated(
                float_path, recipe, self._samples(), self._ends[float_path]
            )
        return self._drawn_in[key]

    def _with_levers(self, recipe: Recipe, float_path: Path) -> Path:
        """The float file with the weights that the recipe asks for."""
        if not changes_weights(recipe):
            return float_path
        key = (float_path.suffix.lstrip("."), _of_weights(recipe))
        if key not in self._improved:
            path = self._folder / f"improved-{len(self._improved)}{float_path.suffix}"
            known = self._weights.setdefault((key[0], replace(key[1], per_layer=())), {})
            if float_path.suffix == ".onnx":
                with onnx_quantizer.prepared(float_path) as folded:
                    done = adjust_weights(folded, recipe, self._samples(), path, known)
            else:
                done = adjust_weights(float_path, recipe, self._samples(), path, known)
            self._improved[key] = (path, done)
        return self._improved[key][0]


def _of_weights(recipe: Recipe) -> Recipe:
    """The part of a recipe that decides the weights."""
    return Recipe(
        "int8",
        "int8",
        granularity=recipe.granularity,
        per_layer=recipe.per_layer,
        rounding=recipe.rounding,
        equalized=recipe.equalized,
        bias_corrected=recipe.bias_corrected,
    )
