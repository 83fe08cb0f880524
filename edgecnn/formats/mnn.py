"""MNN: one flatbuffer (`.mnn`) of operators and weights, without a mark of what it is.

Field numbers are those of MNN's schema/default: MNN.fbs, CaffeOp.fbs, Tensor.fbs.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar

from edgecnn.formats.base import Format
from edgecnn.formats.external import ExternalRange
from edgecnn.formats.recipes import named
from edgecnn.formats.signature import Signature, Value
from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table
from edgecnn.formats.wire.mapped import mapped

MAX_OPERATORS = 200_000
MAX_TEXT_BYTES = 64 << 20
MAX_ENDS = 8_000_000

_NET_DESCRIBED, _NET_OPERATORS, _NET_OUTPUTS, _NET_TENSORS = 1, 3, 4, 7
_OP_INPUTS, _OP_MAIN, _OP_NAME, _OP_OUTPUTS, _OP_TYPE = 0, 2, 3, 4, 5
_INPUT_DIMS, _INPUT_DTYPE = 0, 1
_CONV_WEIGHTS, _CONV_CODED, _CONV_SYMMETRIC, _CONV_EXTERNAL = 1, 3, 4, 6
_CODED_BUFFER, _CODED_KIND = 0, 2
_BLOB_DIMS, _BLOB_FLOATS = 0, 7
_DESCRIBED_QUANTIZED = 4

CONST, INPUT = 11, 34
CONVOLUTIONS = {12: "Convolution", 13: "ConvolutionDepthwise", 17: "Deconvolution",
                18: "DeconvolutionDepthwise"}  # fmt: skip
"""What has weights inside."""
_INTEGER = {513: "ConvInt8", 515: "DepthwiseConvInt8"}
_COMPUTING = {**CONVOLUTIONS, **_INTEGER, 33: "InnerProduct", 39: "MatMul"}
_GATHERS = {30, 31}
_MOVES_IDS = {7, 9, 26, 28, 72, 91, 99, 101, 105}
"""BinaryOp, Cast, ExpandDims, Flatten, Reshape, Squeeze, UnaryOp … on the way to a table."""
_CODED = {1: "int8", 2: "int8", 3: "float16", 4: "int8"}
_BYTES = {"int8": 1, "float16": 2}
_DTYPES = {0: "float32", 1: "float32", 2: "float64", 3: "int32", 4: "uint8", 6: "int8", 9: "int64"}


class MNN(Format):
    """A .mnn file."""

    name: ClassVar[str] = "mnn"
    title: ClassVar[str] = "an MNN model"
    suffixes: ClassVar[tuple[str, ...]] = (".mnn",)
    runtime: ClassVar[str] = "mnn"

    @classmethod
    def holds(cls, path: Path, head: bytes) -> bool:
        if len(head) < 8 or struct.unpack_from("<I", head)[0] >= 1 << 10:
            return False
        try:
            with opened(path) as net:
                return bool(net.inputs and net.output_names)
        except (ValueError, struct.error):
            return False

    @classmethod
    def examine(cls, path: Path) -> Sequence[ExternalRange]:
        with opened(path) as net:
            if not net.operators:
                raise ValueError("it has no operators")
            if not net.output_names:
                raise ValueError("it names no outputs")
            signature_of(net)
            count = len(net.tensor_names)
            for operator in net.operators:
                if any(not 0 <= each < count for each in (*operator.inputs, *operator.outputs)):
                    raise ValueError(f"{operator.name!r} refers to a tensor that does not exist")
            made = {net.tensor_names[each] for one in net.operators for each in one.outputs}
            lost = [name for name in net.output_names if name not in made]
            if lost:
                raise ValueError(f"no operator computes its output {lost[0]!r}")
            _ = net.precisions  # walks all weights and scales
            if any(operator.external for operator in net.operators):
                return [ExternalRange("weights", f"{path.name}.weight")]
            return []

    @classmethod
    def signature(cls, path: Path) -> Signature:
        with opened(path) as net:
            return signature_of(net)

    @classmethod
    def recipe(cls, path: Path) -> str:
        with opened(path) as net:
            kept: Counter[str] = Counter()
            for operator in net.operators:
                kept.update(operator.weights)
            computing = [each for each in net.operators if each.kind in _COMPUTING]
            integers = sum(precision == "int8" for precision in net.precisions)
        static = bool(integers) and 2 * integers >= len(computing)
        return named(kept, Counter({"int8": integers}), static=static)

    @classmethod
    def id_limits(cls, path: Path) -> tuple[int | None, ...]:
        with opened(path) as net:
            return tuple(net.table_behind(each.outputs[0]) for each in net.inputs)


@dataclass(frozen=True)
class MNNOperator:
    """An operator, by the numbers of its tensors."""

    table: Table

    @cached_property
    def kind(self) -> int:
        return self.table.u32(_OP_TYPE)

    @cached_property
    def name(self) -> str:
        return self.table.text(_OP_NAME)

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        return self.table.integers(_OP_INPUTS)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        return self.table.integers(_OP_OUTPUTS)

    @property
    def weights(self) -> Counter[str]:
        """How many values are stored in what; of coded ones the bytes that their code takes."""
        main = self.table.table(_OP_MAIN)
        if main is None:
            return Counter()
        if self.kind == CONST:
            _, floats = main.vector(_BLOB_FLOATS, 4)
            return Counter({"float32": floats})
        if self.kind not in CONVOLUTIONS:
            return Counter()
        _, floats = main.vector(_CONV_WEIGHTS, 4)
        counts = Counter({"float32": floats})
        coded, symmetric = main.table(_CONV_CODED), main.table(_CONV_SYMMETRIC)
        if coded is not None:
            _, size = coded.vector(_CODED_BUFFER, 1)
            dtype = _CODED.get(coded.u32(_CODED_KIND), "int8")
            counts[dtype] += size // _BYTES[dtype]
        if symmetric is not None:
            _, size = symmetric.vector(0, 1)
            counts["int8"] += size
        return counts

    @property
    def external(self) -> bool:
        """Whether its weights lie in another file."""
        main = self.table.table(_OP_MAIN) if self.kind in CONVOLUTIONS else None
        return main is not None and main.vector(_CONV_EXTERNAL, 8)[1] > 0


@dataclass(frozen=True)
class Net:
    """The root of a `.mnn` file."""

    table: Table

    @cached_property
    def operators(self) -> tuple[MNNOperator, ...]:
        operators = tuple(
            MNNOperator(each)
            for each in islice(self.table.tables(_NET_OPERATORS), MAX_OPERATORS + 1)
        )
        if len(operators) > MAX_OPERATORS:
            raise ValueError(f"it has more than {MAX_OPERATORS:,} operators")
        # Many operators may share one list of tensors, or one name.
        ends = sum(
            each.table.vector(number, 4)[1]
            for each in operators
            for number in (_OP_INPUTS, _OP_OUTPUTS)
        )
        if ends > MAX_ENDS:
            raise ValueError(f"its operators have more than {MAX_ENDS:,} inputs and outputs")
        if sum(each.table.vector(_OP_NAME, 1)[1] for each in operators) > MAX_TEXT_BYTES:
            raise ValueError(f"its names take more than {MAX_TEXT_BYTES:,} bytes")
        return operators

    @cached_property
    def tensor_names(self) -> tuple[str, ...]:
        return _texts(self.table, _NET_TENSORS)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The names that the file gives; without them, as in MNN itself, what nobody takes."""
        named = _texts(self.table, _NET_OUTPUTS)
        if named:
            return named
        taken = {each for operator in self.operators for each in operator.inputs}
        made = [each for operator in self.operators for each in operator.outputs]
        count = len(self.tensor_names)
        return tuple(
            self.tensor_names[each] for each in made if each not in taken and 0 <= each < count
        )

    @property
    def inputs(self) -> tuple[MNNOperator, ...]:
        return tuple(each for each in self.operators if each.kind == INPUT and each.outputs)

    @property
    def quantized(self) -> frozenset[int]:
        """Tensors that have a scale, by number."""
        return frozenset(
            each.u32(1)
            for each in self.table.tables(_NET_DESCRIBED)
            if each.table(_DESCRIBED_QUANTIZED) is not None
        )

    @property
    def precisions(self) -> list[str]:
        """How each operator computes that multiplies by weights."""
        scaled = self.quantized
        precisions = []
        for each in self.operators:
            if each.kind in _COMPUTING:
                fixed = each.inputs[:1] and each.inputs[0] in scaled and each.weights["int8"]
                precisions.append("int8" if each.kind in _INTEGER or fixed else "float32")
        return precisions

    def table_behind(self, tensor: int) -> int | None:
        """Rows of the smallest table that looks up the values of a tensor."""
        constants = {each.outputs[0]: each for each in self.operators if each.kind == CONST}
        reached = {tensor}
        rows: list[int] = []
        for each in self.operators:
            if reached.isdisjoint(each.inputs):
                continue
            if each.kind in _MOVES_IDS:
                reached.update(each.outputs)
            elif each.kind in _GATHERS and each.inputs[0] in constants:
                main = constants[each.inputs[0]].table.table(_OP_MAIN)
                sizes = main.integers(_BLOB_DIMS) if main else ()
                rows += sizes[:1]
        return min(rows, default=None)


def signature_of(net: Net) -> Signature:
    """Inputs as declared, their batch open (a session is resized before it runs); of the outputs
    the file says the names alone.
    """
    inputs = []
    for each in net.inputs:
        main = each.table.table(_OP_MAIN)
        if main is None:
            raise ValueError(f"the input {each.name!r} has no shape")
        sizes = [size if size > 0 else None for size in main.integers(_INPUT_DIMS)]
        batched = [None, *sizes[1:]] if sizes and sizes[0] in (None, 1) else sizes
        dtype = _DTYPES.get(main.u32(_INPUT_DTYPE), "of an unknown type")
        inputs.append(Value(net.tensor_names[each.outputs[0]], dtype, tuple(batched)))
    outputs = tuple(Value(name, "float32", None) for name in net.output_names)
    kinds = Counter(_COMPUTING.get(each.kind, f"operator {each.kind}") for each in net.operators)
    return Signature(tuple(inputs), outputs, kinds)


@contextmanager
def opened(path: Path) -> Iterator[Net]:
    """The root of a file, while it is open. Raises as readers do."""
    with mapped(path) as data:
        source = FlatBuffer(data, len(data))
        yield Net(source.table(source.u32(0)))


def _texts(table: Table, number: int) -> tuple[str, ...]:
    start, count = table.vector(number, 4)
    texts: list[str] = []
    left = MAX_TEXT_BYTES
    for at in range(start, start + 4 * min(count, MAX_OPERATORS), 4):
        place = at + table.source.u32(at)
        length = table.source.u32(place)
        left -= length
        if left < 0:  # many names may be one and the same place
            raise ValueError(f"its names take more than {MAX_TEXT_BYTES:,} bytes")
        if place + 4 + length > table.source.size:
            raise ValueError(f"byte {place + 4 + length} of {table.source.size} is needed")
        texts.append(table.source.data[place + 4 : place + 4 + length].decode("utf-8", "replace"))
    return tuple(texts)
