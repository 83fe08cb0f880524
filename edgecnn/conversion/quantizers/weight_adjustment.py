"""Adjust a float file's weights before quantization, as a recipe specifies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.activations import operators_in
from edgecnn.conversion.quantizers.equalization import equalized
from edgecnn.conversion.quantizers.layers import named_layers
from edgecnn.conversion.quantizers.rounding import plain, rounded
from edgecnn.conversion.quantizers.weighted import (
    InputStatistics,
    WeightedLayer,
    open_weighted,
    replaced,
    seen_inputs,
)
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.sources.base import Sample

SAMPLES = 64


@dataclass(frozen=True)
class AdjustedWeights:
    """How many layers each lever changed; `left_out` are too large for AdaRound."""

    equalized: int = 0
    rounded: int = 0
    corrected: int = 0
    left_out: tuple[str, ...] = ()


def changes_weights(recipe: Recipe) -> bool:
    """Whether the recipe asks for other weights than the network's."""
    return recipe.equalized or recipe.rounding != "nearest" or recipe.bias_corrected


def adjust_weights(
    float_path: Path,
    recipe: Recipe,
    samples: Iterable[Sample],
    path: Path,
    known: dict[str, WeightedLayer] | None = None,
) -> AdjustedWeights:
    """Write the float file with the recipe's weights and biases to `path`.

    Layers that the recipe keeps out of int8 keep their weights. The first 64 samples show what
    layers' inputs are like. `known` takes every layer with its new weights, and gives them back
    for a recipe that keeps other layers: they do not depend on that, and AdaRound takes minutes
    for a large network. Raises InputError for a file whose weights cannot be read.
    """
    known = {} if known is None else known
    with converter("the rounding of weights"):
        file = open_weighted(float_path)
        layers = list(file.layers)
        operators = operators_in(float_path)
        kept = {each.name for each, _ in named_layers(operators, recipe, float_path.name)}
        even = equalized(layers) if recipe.equalized else []
        layers = replaced(layers, even)
        free = [layer.name for layer in layers if layer.name not in kept]
        done = AdjustedWeights(equalized=len(even))
        if recipe.rounding == "nearest" and not recipe.bias_corrected:
            file.write(layers, path)
            return done
        if not known:
            file.write(layers, path)
            seen = seen_inputs(path, layers, list(islice(samples, SAMPLES)))
            known |= {
                layer.name: _improved(layer, recipe, seen[layer.name])
                for layer in layers
                if layer.name in seen
            }
        changed = [known[name] for name in free if name in known]
        file.write(replaced(layers, changed), path)
        missing = tuple(name for name in free if name not in known)
        corrected = recipe.bias_corrected and sum(layer.bias is not None for layer in changed)
        return replace(
            done,
            rounded=len(changed) if recipe.rounding == "adaround" else 0,
            corrected=int(corrected),
            left_out=missing,
        )


def _improved(layer: WeightedLayer, recipe: Recipe, seen: InputStatistics) -> WeightedLayer:
    before = layer.weights
    if recipe.rounding == "adaround":
        layer = rounded(layer, seen, recipe.granularity)
        stored = layer.weights
    else:
        stored = plain(layer, recipe.granularity)
    if not recipe.bias_corrected or layer.bias is None:
        return layer
    # What rounding adds to each output on average (Nagel 2019, section 4.2).
    shift = np.einsum("gok,gk->go", stored - before, seen.mean).ravel()
    return replace(layer, bias=layer.bias - shift)
