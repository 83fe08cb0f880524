"""Rank layers by how much the output error drops when they stay in float32.

All layers are ranked by the noise that they add, in one pass over a few samples. Of the costliest
each is then kept in float32 alone, and the error of the outputs that are left decides: noise of
two layers may cancel, and noise that a later layer throws away costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.converter import Converter
from edgecnn.conversion.inference.activations import GraphOperator, operators_in
from edgecnn.conversion.inference.alignment import aligned
from edgecnn.conversion.inference.run import predict
from edgecnn.conversion.quantizers.onnx import prepared
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.targets import Target
from edgecnn.conversion.verification.sensitivity import noise_between
from edgecnn.conversion.verification.verify import load_session
from edgecnn.errors import EdgeCNNError
from edgecnn.progress import Progress, silent
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes import load, parse_configuration, without_version
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.declared import samples_of
from edgecnn.system import scratch

SAMPLES = 32
TRIED = 8
"""Layers, costliest first, that are kept in float32 one at a time."""
DECISIVE = 0.9
"""A layer that takes so much of the error with it is the one: the others are not tried."""
_NOT_LAYERS = ("input", "QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")

Arrays = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class LayerCost:
    """A layer, or several that have to stay in float32 together, and what that brings.

    `share` is the part of the outputs' error that goes when it stays in float32; None where
    nobody tried. `noise` is the share of the noise that it adds.
    """

    tensors: tuple[str, ...]
    operator: str
    noise: float
    share: float | None = None

    @property
    def name(self) -> str:
        """The first one's."""
        return self.tensors[0]


def ranked(
    converter: Converter,
    file_format: str,
    recipe: Recipe,
    samples: Sequence[npt.NDArray[Any]],
    reference: Arrays,
    *,
    configuration: str,
    threads: int = 1,
    progress: Progress = silent,
) -> list[LayerCost]:
    """All layers of the file that `recipe` makes, the costliest first.

    `samples` are (1, …) each and `reference` the parent's outputs for them. What a layer costs is
    read off the outputs of `configuration`, a `runtime:device`; inside of the network, where only
    the format's own runtime looks, off its outputs. Layers are ranked by their noise alone where
    the file's outputs are not the parent's, however they are turned. Raises InputError when a tool
    fails.
    """
    names = converter.source.output_names

    def error(path: Path) -> float:
        return outputs_error(_session(path, configuration, threads), samples, reference, names)

    samples = list(samples)[:SAMPLES]
    reference = [np.asarray(each)[: len(samples)] for each in reference]
    with scratch.folder() as folder:
        quantized = folder / f"quantized.{file_format}"
        converter.write(Target.of(file_format, recipe), quantized)
        float_path = converter.float_file(file_format)
        with _comparable(float_path) as original:
            operators = operators_in(original)
            layers = noise_between(original, quantized, samples)
        by_noise = [
            LayerCost(layer.tensors, layer.operator, layer.share)
            for layer in layers
            if layer.operator not in _NOT_LAYERS
        ]
        before = error(quantized)
        path = folder / f"without.{file_format}"

        def error_without(unit: LayerCost) -> float:
            kept = recipe.keeping(dict.fromkeys(unit.tensors, "float32"))
            try:
                converter.write(Target.of(file_format, kept), path)
                return error(path)
            except EdgeCNNError:
                return math.inf  # the quantizer cannot leave that one out

        units = _units(by_noise, operators) if math.isfinite(before) else []
        tried = with_shares(units, before, error_without, progress)
    seen = {cost.tensors for cost in tried}
    return [*tried, *(cost for cost in by_noise if cost.tensors not in seen)]


def with_shares(
    units: Sequence[LayerCost],
    before: float,
    error_without: Callable[[LayerCost], float],
    progress: Progress = silent,
) -> list[LayerCost]:
    """The units with the share of the error `before` that goes without each, the costliest first.
    The first that takes nearly all of it ends the trying; an infinite error says nothing of one.
    """
    tried: list[LayerCost] = []
    for number, unit in enumerate(units):
        progress("sensitivity", number, len(units), unit.name)
        left = error_without(unit)
        if not math.isfinite(left):
            continue
        share = 1 - left / before if before > 0 else 0.0
        tried.append(replace(unit, share=share))
        if share >= DECISIVE:
            break
    progress("sensitivity", len(units), len(units))
    return sorted(tried, key=lambda cost: (cost.share or 0.0) / len(cost.tensors), reverse=True)


@contextmanager
def _comparable(float_path: Path) -> Iterator[Path]:
    """The float file with the operators that its quantizer sees: batch normalization of an
    `.onnx` file is folded first.
    """
    if float_path.suffix.lower() != ".onnx":
        yield float_path
        return
    with prepared(float_path) as folded:
        yield folded


def _units(by_noise: Sequence[LayerCost], operators: Sequence[GraphOperator]) -> list[LayerCost]:
    """The costliest layers, alone and with those that take their output: a range that ruins it
    is the tensor's, and goes only where nobody reads it as integers.
    """
    takers: dict[str, list[GraphOperator]] = {}
    for operator in operators:
        for name in operator.inputs:
            takers.setdefault(name, []).append(operator)
    units = []
    for cost in by_noise[:TRIED]:
        units.append(cost)
        behind = [taker.name for taker in takers.get(cost.tensors[-1], ())]
        if behind:
            units.append(LayerCost((*cost.tensors, *behind), cost.operator, cost.noise))
    return units


def _session(path: Path, configuration: str, threads: int) -> Session:
    """A file in the runtime that it shall ship on; in its format's own where that one lives in
    another environment.
    """
    runtime, _ = parse_configuration(configuration)
    if without_version(runtime) != runtime or RUNTIMES.load(runtime).environment:
        return load_session(path)
    return load(path, configuration, threads=threads, batch=samples_of(path, 1))


def outputs_error(
    session: Session, samples: Arrays, reference: Arrays, names: Sequence[str] = ()
) -> float:
    """‖outputs − reference‖² / ‖reference‖², summed over outputs; infinity where shapes differ.

    `names` are those of the reference. A file of another format may have its outputs in another
    order and its maps channels-last.
    """
    outputs, _ = aligned(
        reference,
        predict(session, samples),
        reference_names=names,
        names=[spec.name for spec in session.outputs],
    )
    if [output.shape for output in outputs] != [real.shape for real in reference]:
        return float("inf")
    total = 0.0
    for output, real in zip(outputs, reference, strict=True):
        expected = np.asarray(real, np.float64)
        power = float((expected**2).sum()) or 1.0
        total += float(((np.asarray(output, np.float64) - expected) ** 2).sum()) / power
    return total


Meets = Callable[[Recipe], bool | None]
"""Whether a recipe meets the budget; None where it does not, and costs so much already that with
more layers in float32 it would be of no use."""


def fewest_kept(
    costs: Sequence[LayerCost], recipe: Recipe, meets: Meets, *, most: int
) -> tuple[Recipe | None, int]:
    """(the recipe that keeps the fewest layers of the ranking in float32 and meets the budget,
    how often `meets` was asked); None where no useful number of them does. All of them would be
    the float file, and are not tried.

    The number is doubled until it is enough, then bisected; what then proves unnecessary is
    quantized again, layer by layer, as long as no more than `most` questions are asked.
    """
    asked = 0

    def enough(count: int) -> bool | None:
        nonlocal asked
        asked += 1
        return meets(recipe.keeping(_kept(costs[:count])))

    low, high, last = 0, min(1, len(costs)), max(1, len(costs) - 1)
    while not (met := enough(high)):
        if met is None or high == last or asked >= most:
            return None, asked
        low, high = high, min(2 * high, last)
    while high - low > 1 and asked < most:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    kept = _kept(costs[:high])
    for name in reversed(list(kept)):
        if asked >= most or len(kept) == 1:
            break
        fewer = {other: kind for other, kind in kept.items() if other != name}
        asked += 1
        if meets(recipe.keeping(fewer)):
            kept = fewer
    return recipe.keeping(kept), asked


def _kept(costs: Sequence[LayerCost]) -> dict[str, str]:
    return {tensor: "float32" for cost in costs for tensor in cost.tensors}
