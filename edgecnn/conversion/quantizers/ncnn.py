"""Float ncnn files → static int8, written here: ncnn's own tools for it are in no wheel.

As its ncnn2table and ncnn2int8 do: weights get a scale for each output channel, the input of each
layer one scale for all its values, all symmetric; layers of which the next one takes int8 as
well hand it over without a detour through float. Ranges come from running the float file in
ncnn itself. A range is the one with the least squared error (see `MagnitudeHistogram.best_limit`).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.exporters.onnx_to_ncnn import Blobs
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats import ncnn as files
from edgecnn.formats.wire.ncnn import COMPUTING, INT8_MARK, NcnnLayer, StoredWeights, knows

CALIBRATION_RULE = "least squared error"

Values = npt.NDArray[Any]

_QUANTIZED = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
"""What ncnn computes in integers with fixed scales."""
_HANDS_OVER = ("Convolution", "ConvolutionDepthWise")
_BINS = 2048
_STEPS = 127
_FEWEST_BINS = 128


@dataclass
class MagnitudeHistogram:
    """How often magnitudes occur; its range grows with what is added."""

    limit: float = 0.0
    counts: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(_BINS))

    def add(self, values: Values) -> None:
        """Count all values but zeros, which every range keeps."""
        magnitudes = np.abs(values[values != 0]).astype(np.float64)
        if not magnitudes.size:
            return
        largest = float(magnitudes.max())
        if not np.isfinite(largest):
            raise InputError(
                "a calibration sample gives NaN or infinity inside of the network",
                hint="look at the model's float outputs first",
            )
        self.limit = self.limit or largest
        while largest > self.limit:
            self.limit *= 2
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(_BINS // 2)])
        places = np.minimum(magnitudes * (_BINS / self.limit), _BINS - 1).astype(np.int64)
        self.counts += np.bincount(places, minlength=_BINS)

    def best_limit(self) -> float:
        """The largest magnitude that the integers should stand for: of all candidates the one
        with the least squared error, from rounding below it and from cutting off above it.
        """
        used = np.flatnonzero(self.counts)
        if not used.size:
            return 1.0
        width = self.limit / _BINS
        centers = (np.arange(_BINS) + 0.5) * width
        candidates = np.arange(min(_FEWEST_BINS, used[-1] + 1), used[-1] + 2)
        below = np.cumsum(self.counts)
        above = [np.cumsum((self.counts * centers**power)[::-1])[::-1] for power in (0, 1, 2)]
        above = [np.append(sums, 0.0) for sums in above]
        limits = candidates * width
        rounding = below[candidates - 1] * (limits / _STEPS) ** 2 / 12
        cut = above[2][candidates] - 2 * limits * above[1][candidates]
        cut += limits**2 * above[0][candidates]
        return float(limits[np.argmin(rounding + cut)])


def quantize_ncnn(
    float_path: Path, path: Path, samples: Iterable[Sequence[Values]]
) -> tuple[str, ...]:
    """Write `path` (`.param`) and the `.bin` next to it from a float32 file; returns the types of
    layers that stay float because ncnn has them in no other precision.

    `samples` holds inputs (1, …) for one inference each, in the file's order and layout.

    Raises UnsupportedError where the file has no layer that ncnn computes in integers, or one
    whose weights cannot be found.
    """
    network = files.read(float_path)
    unknown = [layer.type for layer in network.layers if not knows(layer.type)]
    if unknown:
        raise UnsupportedError(f"the weights of ncnn's {unknown[0]} cannot be found in the file")
    chosen = [
        index
        for index, layer in enumerate(network.layers)
        if layer.type in _QUANTIZED and not layer.integer(19)
    ]
    if not chosen:
        raise UnsupportedError(
            "the network has no Convolution and no InnerProduct, the only layers that ncnn "
            "computes in integers with fixed scales",
            hint="ncnn:float16 halves the file",
        )
    names = {network.layers[index].inputs[0] for index in chosen}
    limits = _limits(float_path, names, samples)
    scales = {index: _STEPS / limits[network.layers[index].inputs[0]] for index in chosen}
    handed = _handed_over(network, scales)
    content = files.weights_path(float_path).read_bytes()
    layers = list(network.layers)
    pieces: list[bytes] = []
    for index, kept in itertools.groupby(
        files.stored(network, float_path), lambda each: each.layer
    ):
        layer, parts = network.layers[index], list(kept)
        if index in scales:
            layers[index] = _marked(layer, handed=index in handed)
            pieces += _integers(layer, parts, content, scales[index], handed.get(index))
        else:
            pieces += [content[each.offset : each.offset + each.size] for each in parts]
    files.weights_path(path).write_bytes(b"".join(pieces))
    path.write_text(files.Network(tuple(layers)).text(), encoding="utf-8")
    left = [
        layer.type
        for index, layer in enumerate(network.layers)
        if layer.type in COMPUTING and index not in scales
    ]
    return tuple(dict.fromkeys(left))


def _limits(path: Path, names: set[str], samples: Iterable[Sequence[Values]]) -> dict[str, float]:
    """The largest magnitude to keep, of each of the blobs called `names`."""
    blobs = Blobs(path)
    histograms = {name: MagnitudeHistogram() for name in sorted(names)}
    for tensors in samples:
        blob = blobs.of(tensors)
        for name, histogram in histograms.items():
            histogram.add(blob(name))
    return {name: histogram.best_limit() for name, histogram in histograms.items()}


def _handed_over(network: files.Network, scales: dict[int, float]) -> dict[int, float]:
    """The scale of the output of each convolution whose one taker is a quantized convolution:
    it hands int8 over.
    """
    takers: dict[str, list[int]] = {}
    for index, layer in enumerate(network.layers):
        for name in layer.inputs:
            takers.setdefault(name, []).append(index)
    handed = {}
    for index in scales:
        layer = network.layers[index]
        following = takers.get(layer.outputs[0], [])
        if layer.type not in _HANDS_OVER or len(following) != 1 or following[0] not in scales:
            continue
        if network.layers[following[0]].type in _HANDS_OVER:
            handed[index] = scales[following[0]]
    return handed


def _marked(layer: NcnnLayer, *, handed: bool) -> NcnnLayer:
    """With the parameter that says how many scales stand behind the weights."""
    term = (1 if layer.type == "ConvolutionDepthWise" else 2) + (100 if handed else 0)
    return replace(layer, parameters={**layer.parameters, 8: str(term)})


def _integers(
    layer: NcnnLayer,
    parts: Sequence[StoredWeights],
    content: bytes,
    scale: float,
    handed: float | None,
) -> list[bytes]:
    """The pieces of a `.bin` file for one layer in int8."""
    weights, *others = parts
    if weights.dtype != "float32":
        raise InputError(f"layer {layer.name!r} has {weights.dtype} weights, expected float32")
    rows = layer.integer(7, 1) if layer.type == "ConvolutionDepthWise" else layer.integer(0)
    values = np.frombuffer(content, "<f4", weights.count, weights.offset + 4).reshape(rows, -1)
    largest = np.abs(values).max(axis=1)
    factors = np.where(largest > 0, _STEPS / np.where(largest > 0, largest, 1), 1.0)
    integers = np.clip(np.rint(values * factors[:, None]), -_STEPS, _STEPS).astype(np.int8)
    padding = bytes(-integers.size % 4)
    pieces = [struct.pack("<I", INT8_MARK), integers.tobytes(), padding]
    pieces += [content[each.offset : each.offset + each.size] for each in others]
    scales = [scale] if handed is None else [scale, handed]
    return [*pieces, factors.astype("<f4").tobytes(), np.asarray(scales, "<f4").tobytes()]
