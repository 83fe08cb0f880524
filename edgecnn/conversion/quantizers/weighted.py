"""The layers of a float file that multiply by stored weights, in one form for both formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.inference.activations import activations
from edgecnn.conversion.recipe import Granularity
from edgecnn.conversion.sources.base import Sample
from edgecnn.registry import lookup

Floats = npt.NDArray[np.float64]

ROWS = 4_096
"""Input patches that a layer's statistics are taken from, over all samples."""
MOST_INPUTS = 4_608
"""Weights of one output; a layer with more keeps its weights as they are."""
LARGEST = 127
"""Of an int8 weight, in both formats."""


@dataclass(frozen=True)
class WeightedLayer:
    """A convolution or dense layer of a file.

    `weights` are (groups, outputs of a group, inputs of a group × kernel), the kernel's rows and
    columns inside the inputs; `bias` is (outputs,), None where the layer has none that can be
    written. `strides`, `dilations` and `padding` ((before, after) …) are those of the kernel's
    axes, empty for a dense layer. `linear` says that scaling an output scales what the next layer
    gets: no activation, or a ReLU. `follower` is the layer that alone takes the output.
    """

    name: str
    kind: Literal["convolution", "dense"]
    source: str
    """The tensor that goes in."""
    weights: Floats
    bias: Floats | None
    kernel: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    channels_last: bool = True
    linear: bool = False
    follower: str = ""

    @property
    def inputs(self) -> int:
        """Weights of one output."""
        return int(self.weights.shape[2])

    @property
    def groups(self) -> int:
        """Parts whose inputs and outputs have nothing to do with each other."""
        return int(self.weights.shape[0])


class WeightedFile(Protocol):
    """A float file whose weights can be read and replaced."""

    layers: Sequence[WeightedLayer]

    def write(self, changed: Iterable[WeightedLayer], path: Path) -> None:
        """Write the file with the weights and biases of `changed` layers to `path`."""


def open_weighted(path: Path) -> WeightedFile:
    """The layers of a float `.tflite` or `.onnx` file."""
    from edgecnn.conversion.quantizers.weighted_onnx import OnnxWeights
    from edgecnn.conversion.quantizers.weighted_tflite import TFLiteWeights

    kinds: Mapping[str, Any] = {".tflite": TFLiteWeights, ".onnx": OnnxWeights}
    opened: WeightedFile = lookup("format with weights", path.suffix.lower(), kinds)(path)
    return opened


def scales_of(weights: Floats, granularity: Granularity) -> Floats:
    """The step of each output's int8 weights, (groups, outputs, 1); 1 where all are zero."""
    largest = np.abs(weights).max(axis=2, keepdims=True)
    if granularity == "tensor":
        largest = np.full_like(largest, largest.max())
    return np.asarray(np.where(largest > 0, largest / LARGEST, 1.0))


def nearest(weights: Floats, scales: Floats) -> Floats:
    """The weights as int8 has them when each is rounded to the nearest step."""
    return np.asarray(np.clip(np.rint(weights / scales), -LARGEST, LARGEST) * scales)


@dataclass(frozen=True)
class InputStatistics:
    """What a layer's inputs are like: `products` (groups, inputs, inputs) is the mean of x·xᵀ over
    patches x, `mean` (groups, inputs) that of x.
    """

    products: npt.NDArray[Any]
    mean: Floats


def seen_inputs(
    path: Path, layers: Sequence[WeightedLayer], samples: Sequence[Sample]
) -> dict[str, InputStatistics]:
    """What each layer's inputs are like over `samples`, which run through the file once.

    Layers with more than 4,608 inputs of an output are left out.
    """
    wanted = [layer for layer in layers if layer.inputs <= MOST_INPUTS]
    each = max(1, ROWS // max(len(samples), 1))
    generator = np.random.default_rng(0)
    sums = {layer.name: _Sums(layer) for layer in wanted}
    for values in activations(path, samples):
        for layer in wanted:
            if layer.source in values:
                sums[layer.name].add(patches(layer, values[layer.source], each, generator))
    return {name: total.seen() for name, total in sums.items() if total.count}


class _Sums:
    """Sums over patches of one layer's inputs."""

    def __init__(self, layer: WeightedLayer) -> None:
        self.count = 0
        self._products = np.zeros((layer.groups, layer.inputs, layer.inputs), np.float32)
        self._mean = np.zeros((layer.groups, layer.inputs))

    def add(self, rows: Floats) -> None:
        """Count patches (groups, rows, inputs)."""
        small = rows.astype(np.float32)
        self._products += np.matmul(small.transpose(0, 2, 1), small)
        self._mean += rows.sum(axis=1)
        self.count += rows.shape[1]

    def seen(self) -> InputStatistics:
        return InputStatistics(self._products / self.count, self._mean / self.count)


def patches(
    layer: WeightedLayer, values: npt.NDArray[Any], most: int, generator: np.random.Generator
) -> Floats:
    """Up to `most` inputs of the layer in a tensor (batch, …): (groups, rows, inputs)."""
    if layer.kind == "dense":
        rows = np.asarray(values, np.float64).reshape(-1, layer.inputs)
        chosen = rows if len(rows) <= most else rows[generator.choice(len(rows), most, False)]
        return chosen[None]
    tensor = np.asarray(values, np.float64)
    if not layer.channels_last:
        tensor = np.moveaxis(tensor, 1, -1)
    margins = [(0, 0), *layer.padding, (0, 0)]
    tensor = np.pad(tensor, margins)
    axes = len(layer.kernel)
    starts = [
        np.arange(0, max(size - (taps - 1) * dilation, 0), stride)
        for size, taps, stride, dilation in zip(
            tensor.shape[1:-1], layer.kernel, layer.strides, layer.dilations, strict=True
        )
    ]
    places = np.stack(
        [each.ravel() for each in np.meshgrid(np.arange(len(tensor)), *starts, indexing="ij")], 1
    )
    if len(places) > most:
        places = places[generator.choice(len(places), most, replace=False)]
    taps = np.stack(
        [each.ravel() for each in np.meshgrid(*map(np.arange, layer.kernel), indexing="ij")], 1
    )
    steps = taps * np.asarray(layer.dilations)
    index = [places[:, 0][:, None]] + [
        places[:, axis + 1][:, None] + steps[:, axis][None, :] for axis in range(axes)
    ]
    rows = tensor[tuple(index)]  # (rows, taps, channels)
    grouped = rows.reshape(len(rows), rows.shape[1], layer.groups, -1)
    # Inputs come first, then the kernel, as in `weights`.
    return np.asarray(grouped.transpose(2, 0, 3, 1).reshape(layer.groups, len(rows), -1))


def replaced(
    layers: Iterable[WeightedLayer], changed: Iterable[WeightedLayer]
) -> list[WeightedLayer]:
    """`layers` with those of `changed` in place of their namesakes."""
    by_name = {layer.name: layer for layer in changed}
    return [by_name.get(layer.name, layer) for layer in layers]


def with_weights(layer: WeightedLayer, weights: Floats) -> WeightedLayer:
    """The layer with other weights of the same shape."""
    return replace(layer, weights=weights)
