"""Tables that the inputs of a .tflite file are looked up in."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.formats.wire.flatbuffer import FlatBuffer, Table

# Field numbers of schema.fbs, and numbers of its BuiltinOperator.
_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_BUFFERS = 1, 2, 4
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER = 0, 1, 2
_OPERATOR_CODE, _OPERATOR_INPUTS, _OPERATOR_OUTPUTS, _OPERATOR_OPTIONS = 0, 1, 2, 4
_INT32, _INT64 = 2, 4
_ADD, _SUB, _GATHER, _EMBEDDING_LOOKUP, _ONE_HOT, _CALL, _IF, _WHILE = (
    0,
    41,
    36,
    7,
    85,
    31,
    118,
    119,
)
_GATHER_ND, _SELECT, _SELECT_V2 = 107, 64, 123
_MOVES = {
    *(2, 22, 34, 39, 43, 45, 49),  # CONCATENATION RESHAPE PAD TRANSPOSE SQUEEZE STRIDED_SLICE SPLIT
    *(53, 55, 60, 64, 65, 69, 70),  # CAST MAXIMUM PADV2 SELECT SLICE TILE EXPAND_DIMS
    *(83, 88, 102, 105, 123, 130),  # PACK UNPACK SPLIT_V REVERSE_V2 SELECT_V2 BROADCAST_TO
}
_MAX_CALLS, _MAX_OPERATORS = 64, 500_000

Reach = dict[int, int]
"""Which inputs (by number) a tensor holds, and what was added to their values on the way."""


class _Limits:
    def __init__(self, model: Table) -> None:
        self._codes = [max(code.u8(0), code.u32(3)) for code in model.tables(_MODEL_CODES)]
        self._graphs = list(model.tables(_MODEL_SUBGRAPHS))
        self._buffers = list(model.tables(_MODEL_BUFFERS))
        self._calls = 0
        self._operators = 0
        self.found: dict[int, int] = {}

    def graph(self, number: int, given: Sequence[Reach]) -> list[Reach]:
        """Walk a graph whose inputs hold `given`; returns what its outputs hold."""
        self._calls += 1
        if self._calls > _MAX_CALLS or not 0 <= number < len(self._graphs):
            return []
        graph = self._graphs[number]
        tensors = list(graph.tables(_GRAPH_TENSORS))
        reach: dict[int, Reach] = dict(zip(graph.integers(_GRAPH_INPUTS), given, strict=False))
        for operator in graph.tables(_GRAPH_OPERATORS):
            self._operators += 1
            if self._operators > _MAX_OPERATORS:
                raise ValueError(f"it runs more than {_MAX_OPERATORS:,} operators")
            code = self._codes[operator.u32(_OPERATOR_CODE)]
            inputs, outputs = (
                operator.integers(field) for field in (_OPERATOR_INPUTS, _OPERATOR_OUTPUTS)
            )
            self._look_up(code, operator, inputs, tensors, reach)
            held = self._held(code, operator, inputs, tensors, reach)
            for output in outputs:
                if merged := _merged(held):
                    reach[output] = merged
        return [reach.get(index, {}) for index in graph.integers(_GRAPH_OUTPUTS)]

    def _look_up(
        self,
        code: int,
        operator: Table,
        inputs: Sequence[int],
        tensors: Sequence[Table],
        reach: Mapping[int, Reach],
    ) -> None:
        if len(inputs) < 2:
            return
        ids, rows = reach.get(inputs[0], {}), 0
        if code == _EMBEDDING_LOOKUP:
            rows = _sizes(tensors[inputs[1]])[0]
        elif code == _ONE_HOT:
            rows = self._constant(tensors[inputs[1]]) or 0
        elif code == _GATHER:
            ids, shape = reach.get(inputs[1], {}), _sizes(tensors[inputs[0]])
            options = operator.table(_OPERATOR_OPTIONS)
            at = options.field(0) if options else None
            axis = options.source.i32(at) if options and at is not None else 0
            rows = shape[axis] if -len(shape) <= axis < len(shape) else 0
        for number, added in ids.items():
            limit = max(rows - max(added, 0), 1)
            if rows > 0:
                self.found[number] = min(limit, self.found.get(number, limit))

    def _held(
        self,
        code: int,
        operator: Table,
        inputs: Sequence[int],
        tensors: Sequence[Table],
        reach: Mapping[int, Reach],
    ) -> list[Reach]:
        """What the inputs hold that an operator passes on."""
        known = [reach.get(index, {}) for index in inputs]
        if code in (_ADD, _SUB) and len(inputs) == 2:
            return self._shifted(code, inputs, tensors, reach)
        if code in (_CALL, _IF, _WHILE):
            return self._called(code, operator, known)
        passed = {_SELECT: known[1:], _SELECT_V2: known[1:]}
        passed |= {_GATHER: known[:1], _GATHER_ND: known[:1]}
        return passed.get(code, known if code in _MOVES else [])

    def _shifted(
        self,
        code: int,
        inputs: Sequence[int],
        tensors: Sequence[Table],
        reach: Mapping[int, Reach],
    ) -> list[Reach]:
        first, second = inputs
        if code == _ADD and self._constant(tensors[first]) is not None:
            first, second = second, first
        shift = self._constant(tensors[second])
        if shift is None:
            return []
        shift = -shift if code == _SUB else shift
        return [{at: added + shift for at, added in reach.get(first, {}).items()}]

    def _called(self, code: int, operator: Table, known: list[Reach]) -> list[Reach]:
        options = operator.table(_OPERATOR_OPTIONS)
        if options is None:
            return []
        if code == _CALL:
            return self.graph(options.u32(0), known)
        given = known[1:] if code == _IF else known  # two graphs each; IF takes a condition first
        return [*self.graph(options.u32(0), given), *self.graph(options.u32(1), given)]

    def _constant(self, tensor: Table) -> int | None:
        """A whole number that the file holds."""
        kind, number = tensor.u8(_TENSOR_TYPE), tensor.u32(_TENSOR_BUFFER)
        width = {_INT32: 4, _INT64: 8}.get(kind)
        if width is None or not 0 < number < len(self._buffers):
            return None
        start, count = self._buffers[number].vector(0, 1)
        if count != width:
            return None
        source = tensor.source
        return source.i32(start) if kind == _INT32 else source.i64(start)


def id_limits(path: Path) -> tuple[int | None, ...]:
    """See `id_tables.id_limits`. Raises ValueError or OSError for a file that is not whole."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        source = FlatBuffer(data, len(data))
        limits = _Limits(source.table(source.u32(0)))
        first = next(source.table(source.u32(0)).tables(_MODEL_SUBGRAPHS), None)
        count = len(first.integers(_GRAPH_INPUTS)) if first is not None else 0
        limits.graph(0, [{at: 0} for at in range(count)])
        return tuple(limits.found.get(at) for at in range(count))


def _sizes(tensor: Table) -> tuple[int, ...]:
    return tensor.integers(_TENSOR_SHAPE) or (0,)


def _merged(held: Sequence[Reach]) -> Reach:
    """The smallest shift counts, as in ONNX: ids below 0 have the table's size added."""
    merged: Reach = {}
    for reach in held:
        for number, added in reach.items():
            merged[number] = min(added, merged.get(number, added))
    return merged
