"""Keep the end of a network in float32 where one int8 range cannot represent an output.

A detector's last operators put boxes (0…640) and scores (0…1) side by side. Before they do, each
has a range of its own: what stands behind the last weights costs nothing in float32.
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.conversion.inference.activations import GraphOperator, operators_in
from edgecnn.conversion.quantizers.layers import named_layers
from edgecnn.conversion.quantizers.onnx import prepared
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.targets import Target
from edgecnn.results import Parity, PartParity

_COMPUTING = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D",
     "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL"}
)  # fmt: skip
"""Operators with weights: what they cost in float32 is what quantizing is for."""
NAMED = 3
LEAST_LEVELS = 64.0
"""Steps in a part's range below which int8 has spent its 256 levels on the other parts."""
GAIN_DB = 1.0


def needs_float_tail(recipe: Recipe, parity: Parity) -> bool:
    """Whether parts of an int8 output share a step that leaves too little of one of them."""
    if recipe.activations != "int8":
        return False
    by_output: dict[str, list[PartParity]] = {}
    for part in parity.parts:
        by_output.setdefault(part.output, []).append(part)
    return any(
        len(parts) > 1 and any(part.lost or _is_coarse(part) for part in parts)
        for parts in by_output.values()
    )


def saves(after: Parity, before: Parity) -> bool:
    """Whether the second file is the better one: fewer parts lost, or the worst one nearer."""
    lost = [sum(part.lost for part in parity.parts) for parity in (after, before)]
    if lost[0] != lost[1]:
        return lost[0] < lost[1]
    return _worst_db(after) >= _worst_db(before) + GAIN_DB


def _is_coarse(part: PartParity) -> bool:
    return part.step is not None and part.step * LEAST_LEVELS > part.high - part.low


def _worst_db(parity: Parity) -> float:
    known = (part.snr_db for part in parity.parts if part.snr_db is not None)
    return min(known, default=float("inf"))


def with_float_tail(target: Target, float_path: Path) -> tuple[Target, tuple[str, ...]]:
    """(the target with the operators behind the last weights in float32, too, what these are
    called); no names where there are none that its recipe does not speak of. Raises as
    `operators_in`, and InputError for a layer of the recipe that the file does not have.
    """
    if float_path.suffix.lower() == ".onnx":
        with prepared(float_path) as folded:
            operators = operators_in(folded)
    else:
        operators = operators_in(float_path)
    spoken_of = {each.name for each, _ in named_layers(operators, target.spec, float_path.name)}
    tail = [operator for operator in tail_of(operators) if operator.name not in spoken_of]
    in_float = {operator.name: "float32" for operator in tail}
    kept = target.spec.keeping({**in_float, **dict(target.spec.per_layer)})
    names = tuple(f"{operator.kind} {short(operator.name)}" for operator in tail)
    return Target(target.format, target.recipe, kept), names


def tail_of(operators: list[GraphOperator]) -> list[GraphOperator]:
    """The operators from which no operator with weights is reached, in the order of the graph."""
    takers: dict[str, list[GraphOperator]] = {}
    for operator in operators:
        for name in operator.inputs:
            takers.setdefault(name, []).append(operator)
    tail: list[GraphOperator] = []
    for operator in reversed(operators):
        behind = [taker for name in operator.outputs for taker in takers.get(name, ())]
        if operator.kind not in _COMPUTING and operator.name and all(one in tail for one in behind):
            tail.append(operator)
    return tail[::-1]


def coarsest(parity: Parity) -> str:
    """Which part had too few levels, in words."""
    parts = [part for part in parity.parts if part.lost or _is_coarse(part)]
    part = min(parts, key=lambda one: one.high - one.low)
    levels = "" if part.step is None else f" {max(1, round((part.high - part.low) / part.step))}"
    return f"{f'{part.output} {part.part}'.strip()} would have{levels or ' few'} levels of 256"


def described(names: tuple[str, ...], before: Parity) -> str:
    """What a file says of it."""
    last_names = ", ".join(names[-NAMED:])
    more = f"{len(names)} operators" if len(names) > NAMED else "it"
    which = f"{last_names} ({more} behind the last weights)" if len(names) > NAMED else last_names
    return f"{which} stay float32: in int8 {coarsest(before)}"


def short(name: str) -> str:
    """A layer's name without what converters put around it."""
    return name.partition(";")[0].removesuffix(":0")
