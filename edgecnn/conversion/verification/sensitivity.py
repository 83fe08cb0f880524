"""Layer sensitivity of a quantized file: compare float and quantized tensors layer by layer.

Both files run on the same samples, and of each layer's output the noise-to-signal ratio is
taken: ‖quantized − float‖² / ‖float‖², summed over the samples. What a layer adds is its
ratio less the largest among its inputs; its share is that part of all that was added. (Noise
from two layers may also cancel, so that shares are a guide to where to look, not a proof.)

A quantized file may compute several operators in one step, as a convolution with the Relu behind
it, and then has no tensor between them: they are one layer here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.activations import GraphOperator, activations, operators_in
from edgecnn.conversion.quantizers.onnx import prepared
from edgecnn.conversion.sources.base import Sample, SourceModel
from edgecnn.errors import EdgeCNNError, UnsupportedError
from edgecnn.system import scratch

SAMPLES = 32
FEW_SAMPLES = 8
"""For a sentence: which layers are worst shows in a few."""
NAMED = 3
LEAST_SHARE = 0.02
ENDLESS = 1e30
"""Values beyond are padding in front of max pooling, not what a layer computes."""


@dataclass(frozen=True)
class LayerNoise:
    """A layer's output against the float model's: `snr_db` there, `share` (0 … 1) of the noise
    that this layer added.
    """

    name: str
    operator: str
    snr_db: float
    share: float
    tensors: tuple[str, ...] = ()
    """The names of its operators in the file, by which a recipe speaks of them, in their order."""


def layer_noise(source: SourceModel, path: Path, samples: Iterable[Sample]) -> list[LayerNoise]:
    """The layers of the quantized file `path`, made from `source`, costliest first.

    `samples` are (1, …) each; the first 32 are used. The float file is made again. Raises
    UnsupportedError for other formats than .tflite and .onnx, InputError when a tool fails.
    """
    kind = path.suffix.lower()
    if kind not in (".tflite", ".onnx"):
        raise UnsupportedError(f"{path.name}: layers are compared in .tflite and .onnx files")
    chosen = list(islice(samples, SAMPLES))
    with scratch.folder() as folder:
        original = folder / f"float32{kind}"
        source.write_float(kind.lstrip("."), original)
        if kind == ".tflite":
            return noise_between(original, path, chosen)
        with prepared(original) as folded:
            return noise_between(folded, path, chosen)


def costliest(original: Path, quantized: Path, samples: Iterable[Sample]) -> str:
    """A sentence that names the layers of `quantized` that add most noise; empty where nothing
    is known of them. `original` is the float file that it was made from.
    """
    chosen = list(islice(samples, FEW_SAMPLES))
    try:
        if original.suffix.lower() == ".onnx":
            with prepared(original) as folded:
                layers = noise_between(folded, quantized, chosen)
        else:
            layers = noise_between(original, quantized, chosen)
    except EdgeCNNError:
        return ""
    named = [
        f"{layer.name} ({layer.operator}) {layer.share:.0%}"
        for layer in layers[:NAMED]
        if layer.share >= LEAST_SHARE
    ]
    return f"of its noise, most is added by {', '.join(named)}" if named else ""


def noise_between(original: Path, quantized: Path, samples: Sequence[Sample]) -> list[LayerNoise]:
    """The same of a float file and a quantized one with the same tensor names."""
    return _ranked(operators_in(original), _ratios(original, quantized, samples))


def _ratios(original: Path, quantized: Path, samples: Sequence[Sample]) -> dict[str, float]:
    """Noise-to-signal ratio of each tensor that both files have."""
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    with converter("the comparison of layers"):
        both = zip(activations(original, samples), activations(quantized, samples), strict=True)
        for expected, actual in both:
            for name in expected.keys() & actual.keys():
                real = expected[name].astype(np.float64)
                if real.shape != actual[name].shape:
                    continue
                counted = np.abs(real) < ENDLESS
                real, other = real[counted], actual[name][counted]
                signal[name] = signal.get(name, 0.0) + float((real**2).sum())
                noise[name] = noise.get(name, 0.0) + float(((other - real) ** 2).sum())
    return {name: noise[name] / power for name, power in signal.items() if power > 0}


@dataclass(frozen=True)
class _Step:
    """Operators that the quantized file computes at once, in their order."""

    operators: tuple[GraphOperator, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        inside = {name for each in self.operators for name in each.outputs}
        return tuple(name for each in self.operators for name in each.inputs if name not in inside)

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.operators[-1].outputs


def _steps(layers: Sequence[GraphOperator], known: Collection[str]) -> list[_Step]:
    """The operators, each with those in front of it whose output the quantized file (which has
    the tensors `known`) does not have and nobody else takes.
    """
    takers = Counter(name for layer in layers for name in layer.inputs)
    hidden: dict[str, tuple[GraphOperator, ...]] = {}
    steps = []
    for layer in layers:
        front = tuple(
            each for name in layer.inputs if takers[name] == 1 for each in hidden.pop(name, ())
        )
        if any(name in known for name in layer.outputs):
            steps.append(_Step((*front, layer)))
        else:
            hidden |= dict.fromkeys(layer.outputs[:1], (*front, layer))
    return steps


def _ranked(layers: Sequence[GraphOperator], ratios: Mapping[str, float]) -> list[LayerNoise]:
    added = []
    entering = {name for layer in layers for name in layer.inputs} - {
        name for layer in layers for name in layer.outputs
    }
    firsts = [GraphOperator("input", (), (name,)) for name in sorted(entering & ratios.keys())]
    for step in _steps((*firsts, *layers), ratios):
        leaving = next(ratios[name] for name in step.outputs if name in ratios)
        before = max((ratios.get(name, 0.0) for name in step.inputs), default=0.0)
        added.append((step.operators, leaving, max(leaving - before, 0.0)))
    total = sum(part for *_, part in added) or 1.0
    noises = [
        LayerNoise(
            operators[0].name.partition(";")[0].removesuffix(":0"),
            " + ".join(each.kind for each in operators),
            -10 * math.log10(ratio) if ratio > 0 else math.inf,
            part / total,
            tuple(each.name for each in operators),
        )
        for operators, ratio, part in added
    ]
    return sorted(noises, key=lambda layer: layer.share, reverse=True)
