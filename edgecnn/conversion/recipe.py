"""Quantization recipes: what a file stores and computes, with names for the usual ones.

A recipe that is not a preset has a digest of what it says, which stands in the file's name and in
its manifest, so that two files with one name are one recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edgecnn.conversion.layer_names import short_names
from edgecnn.errors import InputError
from edgecnn.files import read_json_file
from edgecnn.manifest import Manifest
from edgecnn.records import FieldError, abbreviated, read_record

Weights = Literal["float32", "float16", "int8"]
Activations = Literal["float32", "dynamic", "int8", "int16"]
Granularity = Literal["channel", "tensor"]
Calibration = Literal["min_max", "percentile", "mse"]
Rounding = Literal["nearest", "adaround"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "weights": ("float32", "float16", "int8"),
    "activations": ("float32", "dynamic", "int8", "int16"),
    "granularity": ("channel", "tensor"),
    "calibration": ("min_max", "percentile", "mse"),
    "rounding": ("nearest", "adaround"),
}
LAYER_ACTIVATIONS = ("float32", "int16")
"""What a single layer may compute in instead of int8."""
MOST_RECIPE_BYTES = 1 << 20


@dataclass(frozen=True, order=True)
class Recipe:
    """How weights are stored and activations computed.

    `activations` "dynamic" are quantized at each inference, "int8" and "int16" by fixed ranges
    that `calibration` finds: the smallest and largest values, those without the rarest of them,
    or those with the least mean squared error. `granularity` is that of int8 weights: a scale for
    each channel, or one for a tensor. `per_layer` pairs a layer with what it computes in instead
    ("float32", "int16"). `rounding` "adaround" chooses up or down for each weight by the layer's
    output (Nagel 2020), `equalized` evens out the ranges of neighboring layers' channels (Nagel
    2019), `bias_corrected` takes the mean error that rounding causes out of the biases.
    """

    weights: Weights = "float32"
    activations: Activations = "float32"
    granularity: Granularity = "channel"
    calibration: Calibration = "min_max"
    per_layer: tuple[tuple[str, str], ...] = ()
    rounding: Rounding = "nearest"
    equalized: bool = False
    bias_corrected: bool = False

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"a recipe's {name} is one of {', '.join(known)}, "
                    f"received: {abbreviated(value)}"
                )
        if (self.weights, self.activations) not in _ARITHMETIC:
            raise InputError(
                f"no format has {self.weights} weights with {self.activations} activations",
                hint="known: "
                + "; ".join(f"{weights} with {values}" for weights, values in _ARITHMETIC),
            )
        object.__setattr__(self, "per_layer", _sorted_layers(self.per_layer))
        if self.per_layer and not self.calibrates:
            raise InputError(
                "single layers are kept out of integer arithmetic only where activations have "
                f"fixed ranges (int8, int16), received: {self.activations}"
            )

    @property
    def arithmetic(self) -> str:
        """The name of the preset with the same weights and activations: "static_int8" …"""
        return _ARITHMETIC[self.weights, self.activations]

    @property
    def calibrates(self) -> bool:
        """Whether activations get fixed ranges, which takes samples."""
        return self.activations in ("int8", "int16")

    @property
    def samples_wanted(self) -> bool:
        """Whether samples are needed, for ranges or for a layer's inputs."""
        return self.calibrates or self.rounding != "nearest" or self.bias_corrected

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of all that the recipe says."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The preset's name, or the arithmetic and the digest: "static_int8-1a2b3c4d"."""
        preset_name = next((name for name, preset in PRESETS.items() if preset == self), None)
        return preset_name or f"{self.arithmetic}-{self.digest}"

    @property
    def words(self) -> str:
        """What differs from the preset, as in "ranges by mse, 2 layers in float32"."""
        said = []
        if self.granularity == "tensor":
            said.append("one scale a weight tensor")
        if self.calibrates and self.calibration != "min_max":
            said.append(f"ranges by {self.calibration}")
        if self.equalized:
            said.append("equalized")
        if self.rounding == "adaround":
            said.append("AdaRound")
        if self.bias_corrected:
            said.append("biases corrected")
        for kind in LAYER_ACTIVATIONS:
            count = len(short_names(name for name, computed in self.per_layer if computed == kind))
            if count:
                said.append(f"{count} {'layer' if count == 1 else 'layers'} in {kind}")
        return ", ".join(said)

    def keeping(self, layers: Mapping[str, str]) -> Recipe:
        """The recipe with these layers, and no others, out of its arithmetic."""
        return replace(self, per_layer=tuple(layers.items()))

    def to_dict(self) -> dict[str, Any]:
        """As JSON gives it back; `per_layer` as an object."""
        return {**asdict(self), "per_layer": dict(self.per_layer)}

    @classmethod
    def from_dict(cls, values: Any) -> Recipe:
        """Read what `to_dict` wrote; fields that are not there are as in Recipe().

        Raises InputError for a field that is not known and for values of another type.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"a recipe is an object, received: {abbreviated(values)}")
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError(
                f"a recipe has no {', '.join(map(repr, unknown))}",
                hint=f"it has: {', '.join(cls.__dataclass_fields__)}",
            )
        layers = values.get("per_layer", {})
        if not isinstance(layers, Mapping):
            raise InputError(
                f"per_layer pairs layers with what they compute in, received: {abbreviated(layers)}"
            )
        pairs = [[name, computed] for name, computed in layers.items()]
        try:
            return read_record(cls, {**values, "per_layer": pairs}, "recipe")
        except FieldError as error:
            raise InputError(f"not a recipe: {error.message}") from error


def _sorted_layers(pairs: Any) -> tuple[tuple[str, str], ...]:
    for name, computed in pairs:
        if computed not in LAYER_ACTIVATIONS:
            raise InputError(
                f"layer {name!r} computes in {' or '.join(LAYER_ACTIVATIONS)}, "
                f"received: {abbreviated(computed)}"
            )
    return tuple(sorted((str(name), str(computed)) for name, computed in pairs))


_ARITHMETIC: Mapping[tuple[str, str], str] = {
    ("float32", "float32"): "float32",
    ("float16", "float32"): "float16",
    ("int8", "dynamic"): "dynamic_int8",
    ("int8", "int8"): "static_int8",
    ("int8", "int16"): "int16x8",
}

PRESETS: Mapping[str, Recipe] = {
    "float32": Recipe(),
    "float16": Recipe("float16"),
    "dynamic_int8": Recipe("int8", "dynamic"),
    "static_int8": Recipe("int8", "int8"),
    "static_int8_percentile": Recipe("int8", "int8", calibration="percentile"),
    "static_int8_mse": Recipe("int8", "int8", calibration="mse"),
    "static_int8_per_tensor": Recipe("int8", "int8", granularity="tensor", equalized=True),
    "int16x8": Recipe("int8", "int16"),
}
"""Recipes with a name of their own."""


def recipe_of(manifest: Manifest) -> Recipe | None:
    """The recipe that a file was made by, as its manifest has it; None for recipes that are not
    made here.
    """
    said = manifest.conversion.get("recipe")
    if not isinstance(said, Mapping):
        return PRESETS.get(manifest.recipe)
    try:
        return Recipe.from_dict({name: value for name, value in said.items() if name != "digest"})
    except InputError:
        return None


def read_recipe(path: Path) -> Recipe:
    """A recipe from a JSON file. Raises InputError for a file that holds none."""
    try:
        return Recipe.from_dict(read_json_file(path, limit=MOST_RECIPE_BYTES))
    except InputError as error:
        hint = error.hint or 'as in {"weights": "int8", "activations": "int8"}'
        raise InputError(f"{path.name}: {error.message}", hint=hint) from error
