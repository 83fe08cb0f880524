"""Tables that the inputs of a .tflite file are looked up in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.formats.id_tables import SIZES_BELOW, Reach, lower, merged
from edgecnn.formats.tflite.schema import (
    GRAPH_INPUTS,
    GRAPH_OPERATORS,
    GRAPH_OUTPUTS,
    GRAPH_TENSORS,
    MODEL_BUFFERS,
    MODEL_SUBGRAPHS,
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OPTIONS,
    OPERATOR_OUTPUTS,
    TENSOR_BUFFER,
    TENSOR_SHAPE,
    codes_of,
    content_of,
    dtype_of,
    opened,
)
from edgecnn.formats.wire.flatbuffer import Table

# Numbers of BuiltinOperator.
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
_SIZES = {22: 1, 34: 1, 48: 1, 60: 1, 69: 1, 94: 0, 96: 1, 130: 1}
"""RESHAPE PAD TOPK_V2 PADV2 TILE FILL RANGE BROADCAST_TO: which input is a size or a count."""
_MAX_CALLS, _MAX_OPERATORS = 64, 500_000


class _Limits:
    def __init__(self, model: Table) -> None:
        self._codes = codes_of(model)
        self._graphs = list(model.tables(MODEL_SUBGRAPHS))
        self._buffers = list(model.tables(MODEL_BUFFERS))
        self._calls = 0
        self._operators = 0
        self.by_input: dict[int, int] = {}

    def graph(self, number: int, given: Sequence[Reach]) -> list[Reach]:
        """Walk a graph whose inputs hold `given`; returns what its outputs hold."""
        self._calls += 1
        if self._calls > _MAX_CALLS or not 0 <= number < len(self._graphs):
            return []
        graph = self._graphs[number]
        tensors = list(graph.tables(GRAPH_TENSORS))
        reach: dict[int, Reach] = dict(zip(graph.integers(GRAPH_INPUTS), given, strict=False))
        for operator in graph.tables(GRAPH_OPERATORS):
            self._operators += 1
            if self._operators > _MAX_OPERATORS:
                raise ValueError(f"it runs more than {_MAX_OPERATORS:,} operators")
            code = self._codes[operator.u32(OPERATOR_CODE)]
            inputs, outputs = (
                operator.integers(field) for field in (OPERATOR_INPUTS, OPERATOR_OUTPUTS)
            )
            self._look_up(code, operator, inputs, tensors, reach)
            held = self._held(code, operator, inputs, tensors, reach)
            for output in outputs:
                if into := merged(held):
                    reach[output] = into
        return [reach.get(index, {}) for index in graph.integers(GRAPH_OUTPUTS)]

    def _look_up(
        self,
        code: int,
        operator: Table,
        inputs: Sequence[int],
        tensors: Sequence[Table],
        reach: Mapping[int, Reach],
    ) -> None:
        place = _SIZES.get(code, len(inputs))
        if place < len(inputs):
            lower(self.by_input, reach.get(inputs[place], {}), SIZES_BELOW)
        if len(inputs) < 2:
            return
        ids, rows = reach.get(inputs[0], {}), 0
        if code == _EMBEDDING_LOOKUP:
            rows = _sizes(tensors[inputs[1]])[0]
        elif code == _ONE_HOT:
            rows = self._constant(tensors[inputs[1]]) or 0
        elif code == _GATHER:
            ids, shape = reach.get(inputs[1], {}), _sizes(tensors[inputs[0]])
            options = operator.table(OPERATOR_OPTIONS)
            at = options.field(0) if options else None
            axis = options.source.i32(at) if options and at is not None else 0
            rows = shape[axis] if -len(shape) <= axis < len(shape) else 0
        lower(self.by_input, ids, rows)

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
        options = operator.table(OPERATOR_OPTIONS)
        if options is None:
            return []
        if code == _CALL:
            return self.graph(options.u32(0), known)
        given = known[1:] if code == _IF else known  # two graphs each; IF takes a condition first
        return [*self.graph(options.u32(0), given), *self.graph(options.u32(1), given)]

    def _constant(self, tensor: Table) -> int | None:
        """A whole number that the file holds."""
        width = {"int32": 4, "int64": 8}.get(dtype_of(tensor))
        content = content_of(self._buffers, tensor.u32(TENSOR_BUFFER), 8)
        if width is None or len(content) != width:
            return None
        return int.from_bytes(content, "little", signed=True)


def id_limits(path: Path) -> tuple[int | None, ...]:
    """See `id_tables.id_limits`. Raises ValueError or OSError for a file that is not whole."""
    with opened(path) as model:
        limits = _Limits(model)
        first = next(model.tables(MODEL_SUBGRAPHS), None)
        count = len(first.integers(GRAPH_INPUTS)) if first is not None else 0
        limits.graph(0, [{at: 0} for at in range(count)])
        return tuple(limits.by_input.get(at) for at in range(count))


def _sizes(tensor: Table) -> tuple[int, ...]:
    return tensor.integers(TENSOR_SHAPE) or (0,)
