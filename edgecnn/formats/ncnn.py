"""ncnn: a text of layers (`.param`) and their weights (`.bin`), two files that are one model.

They lie in one folder, and their names differ in the ending alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgecnn.files import read_text_file
from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.recipes import named
from edgecnn.formats.signature import Signature, Value
from edgecnn.formats.wire import ncnn as wire
from edgecnn.formats.wire.ncnn import ARRAYS, COMPUTING, MAGIC, NcnnLayer, StoredWeights

MAX_TEXT_BYTES = 16 << 20
_SIZES = (2, 11, 1, 0)
"""Parameters of an Input: channels, depth, height, width."""
_SHAPE_HINTS = 30
_PASSES_IDS = {"Split", "Reshape", "Squeeze", "ExpandDims", "Flatten", "Noop", "Cast"}


class NCNN(Format):
    """A .param file and the .bin file next to it."""

    name: ClassVar[str] = "ncnn"
    title: ClassVar[str] = "an ncnn model"
    suffixes: ClassVar[tuple[str, ...]] = (".param",)
    magic: ClassVar[tuple[tuple[bytes, int], ...]] = ((MAGIC.encode(), 0),)
    runtime: ClassVar[str] = "ncnn"

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        network, weights = read(path), weights_path(path)
        signature_of(network)  # its sizes can be read
        if not weights.is_file():
            return [ExternalRange("all layers", weights.name)]
        return [
            ExternalRange(
                f"{network.layers[each.layer].name} {each.part}",
                weights.name,
                each.offset,
                each.size,
            )
            for each in stored(network, path)
        ] or [ExternalRange("all layers", weights.name)]

    @classmethod
    def signature(cls, path: Path) -> Signature:
        return signature_of(read(path))

    @classmethod
    def recipe(cls, path: Path) -> str:
        network = read(path)
        kept: Counter[str] = Counter()
        for each in stored(network, path):
            kept[each.dtype] += each.count if each.marked else 0
        computing = [layer for layer in network.layers if layer.type in COMPUTING]
        counts = Counter(layer.precision for layer in computing)
        static = bool(counts["int8"]) and 2 * counts["int8"] >= len(computing)
        dynamic = bool(counts["dynamic_int8"]) and not counts["int8"]
        values = Counter({"int8": counts["int8"]})
        return named(kept, values, dynamic=dynamic, static=static)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        network = read(path)
        return tuple(network.table_behind(layer.outputs[0]) for layer in network.inputs)


@dataclass(frozen=True)
class Network:
    """What a `.param` file says."""

    layers: tuple[NcnnLayer, ...]

    @property
    def inputs(self) -> tuple[NcnnLayer, ...]:
        """The layers by which the caller's tensors come in."""
        return tuple(layer for layer in self.layers if layer.type == "Input")

    @property
    def outputs(self) -> tuple[tuple[NcnnLayer, int], ...]:
        """Where the blobs come from that no layer takes: (layer, which of its outputs)."""
        taken = {name for layer in self.layers for name in layer.inputs}
        return tuple(
            (layer, number)
            for layer in self.layers
            for number, name in enumerate(layer.outputs)
            if name not in taken
        )

    def text(self) -> str:
        """The file."""
        blobs = {name for layer in self.layers for name in (*layer.inputs, *layer.outputs)}
        lines = [MAGIC, f"{len(self.layers)} {len(blobs)}", *(one.line() for one in self.layers)]
        return "\n".join(lines) + "\n"

    def table_behind(self, name: str) -> int | None:
        """Rows of the smallest table that looks up the values of a blob."""
        reached = {name}
        rows: list[int] = []
        for layer in self.layers:
            if reached.isdisjoint(layer.inputs):
                continue
            if layer.type in _PASSES_IDS:
                reached.update(layer.outputs)
            elif layer.type == "Embed":
                rows.append(layer.integer(1))
        return min(rows, default=None)


def weights_path(path: Path) -> Path:
    """The file with the weights of the `.param` file `path`."""
    return path.with_suffix(".bin")


def read(path: Path) -> Network:
    """Read a `.param` file. Raises ValueError for anything else, InputError where it cannot be
    read at all.
    """
    network = Network(wire.parse(read_text_file(path, limit=MAX_TEXT_BYTES)))
    if not network.inputs:
        raise ValueError("it has no input")
    return network


def signature_of(network: Network) -> Signature:
    """Inputs and outputs with their shapes, a batch of 1 first, where the file has hints of them.

    Raises ValueError for sizes that are not positive whole numbers.
    """
    inputs = []
    for layer in network.inputs:
        name = layer.outputs[0]
        dtype = "float32" if network.table_behind(name) is None else "int32"
        sizes = [size for size in map(layer.integer, _SIZES) if size > 0]
        inputs.append(Value(name, dtype, (1, *sizes) if sizes else None))
    outputs = tuple(
        Value(layer.outputs[number], "float32", _hinted(layer)[number])
        for layer, number in network.outputs
    )
    return Signature(tuple(inputs), outputs, Counter(layer.type for layer in network.layers))


def stored(network: Network, path: Path) -> Iterator[StoredWeights]:
    """The weights of the `.param` file `path`, see `wire.ncnn.stored`."""
    return wire.stored(network.layers, weights_path(path))


def input_hint(shape: Sequence[int]) -> dict[int, str]:
    """The parameters of an Input for a shape, batch first."""
    _, *sizes = shape
    numbers = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: _SIZES}.get(len(sizes), ())
    return {number: str(size) for number, size in sorted(zip(numbers, sizes, strict=False))}


def output_hint(shapes: Sequence[Sequence[int]]) -> dict[int, str]:
    """The parameter that says what shapes, batch first, a layer's outputs have; nothing where a
    shape has no place in it.
    """
    values: list[int] = []
    for _, *sizes in shapes:
        if not 1 <= len(sizes) <= 3:
            return {}
        values += [len(sizes), *reversed(sizes), *([1] * (3 - len(sizes)))]
    return {ARRAYS - _SHAPE_HINTS: ",".join(map(str, (len(values), *values)))}


def _hinted(layer: NcnnLayer) -> list[tuple[int, ...] | None]:
    """The shape of each output, with the batch, where the file has such a hint."""
    hints = layer.integers(_SHAPE_HINTS)
    if len(hints) != 4 * len(layer.outputs):
        return [None] * len(layer.outputs)
    shapes: list[tuple[int, ...] | None] = []
    for start in range(0, len(hints), 4):
        rank, width, height, channels = hints[start : start + 4]
        sizes = (channels, height, width)[3 - rank :] if 1 <= rank <= 3 else ()
        shapes.append((1, *sizes) if sizes and min(sizes) > 0 else None)
    return shapes
