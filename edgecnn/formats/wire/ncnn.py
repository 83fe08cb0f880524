"""ncnn's encodings: a text of layers, and their weights one after another in a second file.

The text is `7767517`, the numbers of layers and blobs, and a line a layer: type, name, how many
blobs it takes and gives, their names, then numbered parameters (`0=16`, `-23310=2,0.1,0.2`).
Weights follow one another in the order of the layers and without names; a mark before each says
how its values are stored. Which weights a layer has, its type alone says (ncnn's
tools/modelwriter.h writes them).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from math import prod
from pathlib import Path

from edgecnn.files import open_regular_file

MAGIC = "7767517"
MAX_LAYERS = 100_000
FLOAT16_MARK, INT8_MARK, SCALED_MARK = 0x01306B47, 0x000D4B38, 0x0002C056
_MARKS = {0: "float32", SCALED_MARK: "float32", FLOAT16_MARK: "float16", INT8_MARK: "int8"}
_BYTES = {"float32": 4, "float16": 2, "int8": 1}
_TABLE_BYTES = 1024
"""Weights that are stored as numbers of 256 values have those values first."""

ARRAYS = -23300
"""An array has its number below this one."""

_NO_WEIGHTS = {
    *("AbsVal", "ArgMax", "BNLL", "BinaryOp", "CELU", "Cast", "Clip", "Concat"),
    *("ConvolutionDynamic", "CopyTo", "Crop", "CumulativeSum", "DetectionOutput", "Diag"),
    *("Dropout", "ELU", "Eltwise", "Einsum", "Erf", "Exp", "ExpandDims", "Flatten", "Flip"),
    *("Fold", "GELU", "GLU", "GridSample", "HardSigmoid", "HardSwish", "Input", "Interp"),
    *("InverseSpectrogram", "LRN", "Log", "MVN", "MatMul", "Mish", "Noop", "PSROIPooling"),
    *("Packing", "Permute", "PixelShuffle", "Pooling", "Pooling1D", "Pooling3D", "Power"),
    *("PriorBox", "Proposal", "ROIAlign", "ROIPooling", "ReLU", "Reduction", "Reorg"),
    *("Reshape", "RotaryEmbed", "SDPA", "SELU", "Shrink", "ShuffleChannel", "Sigmoid", "Slice"),
    *("Softmax", "Softplus", "Spectrogram", "Split", "Squeeze", "StatisticsPooling", "Swish"),
    *("TanH", "Threshold", "Tile", "UnaryOp", "Unfold", "YoloDetectionOutput"),
    "Yolov3DetectionOutput",
}
COMPUTING = {
    *("Convolution", "ConvolutionDepthWise", "Convolution1D", "ConvolutionDepthWise1D"),
    *("Convolution3D", "ConvolutionDepthWise3D", "Deconvolution", "DeconvolutionDepthWise"),
    *("Deconvolution1D", "DeconvolutionDepthWise1D", "Deconvolution3D"),
    *("DeconvolutionDepthWise3D", "DeformableConv2D", "InnerProduct", "Gemm", "MatMul"),
    *("LSTM", "GRU", "RNN", "MultiHeadAttention", "SDPA"),
}
_STATIC_INT8 = {"Convolution", "ConvolutionDepthWise", "InnerProduct"}
_RECURRENT = {"LSTM", "GRU", "RNN"}
_INT8_IS_18 = {"Embed", "Gemm", "MultiHeadAttention", "SDPA"}


@dataclass(frozen=True)
class NcnnLayer:
    """A line of a `.param` file; `parameters` are texts by their number, as they stand there."""

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[int, str] = field(default_factory=dict)

    def integer(self, number: int, default: int = 0) -> int:
        """Raises ValueError where the file says no whole number."""
        text = self.parameters.get(number)
        return default if text is None else int(text)

    def integers(self, number: int) -> tuple[int, ...]:
        """An array, without the count that may stand before it. Raises ValueError."""
        counted = self.parameters.get(ARRAYS - number)
        if counted is None:
            text = self.parameters.get(number)
            return () if text is None else tuple(int(value) for value in text.split(","))
        count, *values = counted.split(",")
        if int(count) != len(values):
            raise ValueError(f"layer {self.name!r}: an array of {count} has {len(values)} values")
        return tuple(int(value) for value in values)

    @property
    def precision(self) -> str:
        """How a layer computes that multiplies by weights: "int8" with fixed scales,
        "dynamic_int8", or "float32" (what a float computes in is the runtime's choice).
        """
        if self.type in _STATIC_INT8:
            return "int8" if self.integer(8) else "float32"
        number = 18 if self.type in _INT8_IS_18 else 8 if self.type in _RECURRENT else None
        return "dynamic_int8" if number is not None and self.integer(number) else "float32"

    def line(self) -> str:
        """As ncnn writes it."""
        head = f"{self.type:<24} {self.name:<24} {len(self.inputs)} {len(self.outputs)}"
        parameters = (f"{key}={value}" for key, value in self.parameters.items())
        return " ".join((head, *self.inputs, *self.outputs, *parameters))


def parse(text: str) -> tuple[NcnnLayer, ...]:
    """The layers of a `.param` file. Raises ValueError for anything else."""
    lines = text.split("\n")
    if lines[0].strip() != MAGIC:
        raise ValueError(f"it does not start with {MAGIC}")
    counts = lines[1].split() if len(lines) > 1 else []
    if len(counts) != 2 or not all(count.isdecimal() for count in counts):
        raise ValueError("line 2 does not say how many layers and blobs there are")
    count = int(counts[0])
    written = [line for line in lines[2:] if line.strip()]
    if not 0 < count <= MAX_LAYERS or len(written) < count:
        raise ValueError(f"it announces {counts[0]} layers and has {len(written)}")
    layers = tuple(_layer(number, line) for number, line in enumerate(written[:count], 3))
    known: set[str] = set()
    for layer in layers:
        for name in layer.inputs:
            if name not in known:
                raise ValueError(f"layer {layer.name!r} takes {name!r}, which no layer gives")
        known.update(layer.outputs)
    return layers


@dataclass(frozen=True)
class StoredWeights:
    """Weights in a `.bin` file: `offset` is where they begin (with their mark, where they have
    one), `size` how many bytes they take there.
    """

    layer: int
    part: str
    count: int
    dtype: str
    marked: bool
    offset: int
    size: int


def stored(layers: Sequence[NcnnLayer], weights: Path) -> Iterator[StoredWeights]:
    """All weights in a `.bin` file, in its order; ends before a layer of an unknown type.

    Raises ValueError where the file is too short for them.
    """
    with open_regular_file(weights) as file:
        end = os.fstat(file.fileno()).st_size
        at = 0
        for index, layer in enumerate(layers):
            if layer.type not in _PARTS and layer.type not in _NO_WEIGHTS:
                return
            for part, count, marked in _PARTS.get(layer.type, _none)(layer):
                if count < 0:
                    raise ValueError(f"layer {layer.name!r} has {count} weights")
                if not count:
                    continue
                dtype, size = _mark(file, at, count, end) if marked else ("float32", 4 * count)
                if at + size > end:
                    raise ValueError(
                        f"the {part} of layer {layer.name!r} end at byte {at + size:,}, "
                        f"{weights.name} has {end:,}"
                    )
                yield StoredWeights(index, part, count, dtype, marked, at, size)
                at += size


def knows(layer_type: str) -> bool:
    """Whether the weights of such a layer can be found."""
    return layer_type in _PARTS or layer_type in _NO_WEIGHTS


def _mark(file: BufferedReader, at: int, count: int, end: int) -> tuple[str, int]:
    """(how values are stored, bytes with their mark)."""
    file.seek(at)
    head = file.read(4)
    if len(head) < 4:
        raise ValueError(f"weights begin at byte {at:,}, the .bin file has {end:,}")
    (mark,) = struct.unpack("<I", head)
    dtype = _MARKS.get(mark)
    if dtype is None:
        return "uint8", 4 + _TABLE_BYTES + _aligned(count)
    return dtype, 4 + _aligned(count * _BYTES[dtype])


def _aligned(size: int) -> int:
    return -(-size // 4) * 4


def _layer(number: int, line: str) -> NcnnLayer:
    words = line.split()
    if len(words) < 4 or not (words[2].isdecimal() and words[3].isdecimal()):
        raise ValueError(f"line {number} is not a layer")
    input_count, output_count = int(words[2]), int(words[3])
    if len(words) < 4 + input_count + output_count:
        raise ValueError(f"line {number} names fewer blobs than it announces")
    names, rest = words[4 : 4 + input_count + output_count], words[4 + input_count + output_count :]
    parameters = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if equals and key.removeprefix("-").isdecimal():
            parameters[int(key)] = value
        elif knows(words[0]):  # what a converter left over has parameters of another kind
            raise ValueError(f"line {number}: {word[:40]!r} is not a parameter")
    return NcnnLayer(
        words[0], words[1], tuple(names[:input_count]), tuple(names[input_count:]), parameters
    )


Part = tuple[str, int, bool]
"""Name, number of values, whether a mark stands before them."""


def _none(_layer: NcnnLayer) -> Sequence[Part]:
    return ()


def _convolution(layer: NcnnLayer) -> Sequence[Part]:
    if layer.integer(28 if "Deconvolution" in layer.type else 19):  # the weights are an input
        return ()
    outputs, int8 = layer.integer(0), layer.precision == "int8"
    parts = [("weights", layer.integer(6), True), ("bias", outputs * layer.integer(5), False)]
    if int8:
        term = layer.integer(8)
        groups = layer.integer(7, 1) if layer.type == "ConvolutionDepthWise" else outputs
        scales = 1 if layer.type == "ConvolutionDepthWise" and term % 100 == 2 else groups
        parts += [("weight scales", scales, False), ("input scale", 1, False)]
        parts += [("output scale", 1, False)] if term > 100 else []
    return parts


def _inner_product(layer: NcnnLayer) -> Sequence[Part]:
    outputs = layer.integer(0)
    parts = [("weights", layer.integer(2), True), ("bias", outputs * layer.integer(1), False)]
    if layer.precision == "int8":
        parts += [("weight scales", outputs, False), ("input scale", 1, False)]
    return parts


def _embed(layer: NcnnLayer) -> Sequence[Part]:
    return (
        ("weights", layer.integer(3), True),
        ("bias", layer.integer(0) * layer.integer(2), False),
        ("weight scale", int(bool(layer.integer(18))), False),
    )


def _gemm(layer: NcnnLayer) -> Sequence[Part]:
    rows, columns, inner = layer.integer(7), layer.integer(8), layer.integer(9)
    has_a, has_b, has_c = (layer.integer(number) for number in (4, 5, 6))
    kind = layer.integer(10)
    sizes = {0: 1, 1: rows, 2: rows, 3: rows * columns, 4: columns}
    int8 = bool(layer.integer(18))
    return (
        ("A", rows * inner * has_a, True),
        ("B", columns * inner * has_b, True),
        ("C", sizes.get(kind, 0) * has_c, True),
        ("scales of A", rows * has_a * int8, False),
        ("scale of B", has_b * int8, False),
    )


def _affine(size: int, switch: int | None, *names: str) -> Callable[[NcnnLayer], Sequence[Part]]:
    """`names` of as many values as the parameter `size` says, unless `switch` is 0."""

    def parts(layer: NcnnLayer) -> Sequence[Part]:
        count = max(layer.integer(size), 0)
        if switch is not None and not layer.integer(switch, 1):
            return ()
        return tuple((name, count, False) for name in names)

    return parts


def _scale(layer: NcnnLayer) -> Sequence[Part]:
    count = max(layer.integer(0), 0)  # −233: the scales are an input
    return (("scales", count, False), ("bias", count * layer.integer(1), False))


def _constant(layer: NcnnLayer) -> Sequence[Part]:
    sizes = [layer.integer(number) for number in (0, 1, 11, 2)]
    count = prod(size for size in sizes if size) if any(sizes) else 0
    return (("values", count, not layer.integer(21, 1)),)


def _recurrent(gates: int, biases: int) -> Callable[[NcnnLayer], Sequence[Part]]:
    def parts(layer: NcnnLayer) -> Sequence[Part]:
        outputs, directions = layer.integer(0), 2 if layer.integer(2) == 2 else 1
        hidden = layer.integer(3, outputs) if layer.type == "LSTM" else outputs
        rows = directions * gates * hidden
        projected = directions * outputs * hidden if hidden != outputs else 0
        scales = rows * bool(layer.integer(8))
        return (
            ("input weights", layer.integer(1), True),
            ("bias", directions * biases * hidden, True),
            ("recurrent weights", rows * outputs, True),
            ("projection", projected, True),
            ("input scales", scales, False),
            ("recurrent scales", scales, False),
        )

    return parts


def _attention(layer: NcnnLayer) -> Sequence[Part]:
    width, size = layer.integer(0), layer.integer(2)
    keys, values = layer.integer(3, width), layer.integer(4, width)
    queries = size // width if width else 0
    int8 = bool(layer.integer(18))
    return (
        ("query weights", size, True),
        ("query bias", width, False),
        ("key weights", width * keys, True),
        ("key bias", width, False),
        ("value weights", width * values, True),
        ("value bias", width, False),
        ("output weights", size, True),
        ("output bias", queries, False),
        ("scales", (3 * width + 1) * int8, False),
    )


def _requantize(layer: NcnnLayer) -> Sequence[Part]:
    return (
        ("input scales", layer.integer(0, 1), False),
        ("output scales", layer.integer(1, 1), False),
        ("bias", layer.integer(2), False),
    )


def _quantize(layer: NcnnLayer) -> Sequence[Part]:
    return (("scales", layer.integer(0, 1), False),)


def _dequantize(layer: NcnnLayer) -> Sequence[Part]:
    return (("scales", layer.integer(0, 1), False), ("bias", layer.integer(1), False))


_PARTS: Mapping[str, Callable[[NcnnLayer], Sequence[Part]]] = {
    **{name: _convolution for name in COMPUTING if "onvolution" in name or "Conv2D" in name},
    "InnerProduct": _inner_product,
    "Embed": _embed,
    "Gemm": _gemm,
    "BatchNorm": _affine(0, None, "slopes", "means", "variances", "biases"),
    "Bias": _affine(0, None, "biases"),
    "GroupNorm": _affine(1, 3, "gammas", "betas"),
    "InstanceNorm": _affine(0, 2, "gammas", "betas"),
    "LayerNorm": _affine(0, 2, "gammas", "betas"),
    "RMSNorm": _affine(0, 2, "gammas"),
    "PReLU": _affine(0, None, "slopes"),
    "Normalize": _affine(3, None, "scales"),
    "Padding": _affine(6, None, "values"),
    "Quantize": _quantize,
    "Dequantize": _dequantize,
    "Requantize": _requantize,
    "Scale": _scale,
    "MemoryData": _constant,
    "LSTM": _recurrent(4, 4),
    "GRU": _recurrent(3, 4),
    "RNN": _recurrent(1, 1),
    "MultiHeadAttention": _attention,
}
