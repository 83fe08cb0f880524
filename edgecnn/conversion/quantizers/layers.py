"""Match a recipe's `per_layer` entries to the operators of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgecnn.conversion.inference.activations import GraphOperator
from edgecnn.conversion.layer_names import short_names
from edgecnn.conversion.recipe import Recipe
from edgecnn.errors import InputError
from edgecnn.registry import unknown_name

_PARTS = re.compile(r"[/;:]")


def named_layers(
    operators: Sequence[GraphOperator], recipe: Recipe, where: str
) -> Iterator[tuple[GraphOperator, str]]:
    """Each operator that the recipe keeps out of its arithmetic, and what it computes in instead.

    A layer is called by its operator's first output, or by the name that it has in Keras.
    Raises InputError for a name that no operator of the file has.
    """
    for name, computed in recipe.per_layer:
        # Exporting a Keras model counts its layers once more: "conv" becomes "conv_1". Where an
        # operator has the very name, another layer may be called "conv_1", as PyTorch counts.
        # A layer may be several operators, of which the last one has its output's name.
        exact = [operator for operator in operators if operator.name == name]
        parts: list[GraphOperator] = []
        for called in (name,) if exact else (f"{name}_1", name):
            parts = parts or [each for each in operators if called in _names(each)]
        matches = [*exact, *(operator for operator in parts if operator not in exact)]
        if not matches:
            known = short_names(operator.name for operator in operators)
            error = unknown_name("layer", name, dict.fromkeys(known))
            raise InputError(f"{where}: {error.message}", hint=error.hint)
        for operator in matches:
            yield operator, computed


def _names(operator: GraphOperator) -> set[str]:
    """The parts of the first name: what the converters fused into it stands behind a semicolon."""
    return set(_PARTS.split(operator.name.partition(";")[0]))
