"""Check that a .tflite file is complete, and list the other files it reads.

Old interpreters do not verify a flatbuffer before they follow its offsets: tflite-runtime 2.14
dies of a segmentation fault on a truncated file. Walking it first costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecnn.formats.external import ExternalRange
from edgecnn.formats.tflite.schema import (
    BUFFER_DATA,
    BUFFER_OFFSET,
    BUFFER_SIZE,
    CODE_CUSTOM,
    GRAPH_INPUTS,
    GRAPH_OPERATORS,
    GRAPH_OUTPUTS,
    GRAPH_TENSORS,
    MODEL_BUFFERS,
    MODEL_CODES,
    MODEL_EXTERNAL_BUFFERS,
    MODEL_EXTERNAL_GROUPS,
    MODEL_SUBGRAPHS,
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OUTPUTS,
    TENSOR_BUFFER,
    TENSOR_NAME,
    TENSOR_SHAPE,
    opened,
)
from edgecnn.formats.wire.flatbuffer import Table

_GROUP_NAME = 0
_EXTERNAL_ID, _EXTERNAL_GROUP, _EXTERNAL_OFFSET, _EXTERNAL_LENGTH = 0, 1, 2, 3
_MAX_TABLES = 1_000_000
"""Tensors, operators and buffers together. Vectors may point to one table many times over, so
that a small file could keep its reader busy for long."""


def examine(path: Path) -> list[ExternalRange]:
    """What the model reads from other files.

    Raises ValueError (or struct.error) for an offset or an index that points outside of the
    file, and for a model without a graph.
    """
    with opened(path) as model:
        return _examined(model)


def _examined(model: Table) -> list[ExternalRange]:
    budget = _Budget()
    buffers = 0
    for buffer in budget.counted(model.tables(MODEL_BUFFERS)):
        buffer.vector(BUFFER_DATA, 1)
        buffer.check_external(BUFFER_OFFSET, BUFFER_SIZE)
        buffers += 1
    codes = 0
    for code in budget.counted(model.tables(MODEL_CODES)):
        budget.text(code, CODE_CUSTOM)
        codes += 1
    graphs = 0
    for graph in budget.counted(model.tables(MODEL_SUBGRAPHS)):
        _check_graph(graph, codes, max(buffers, 1), budget)
        graphs += 1
    if not graphs:
        raise ValueError("it holds no graph")
    return list(_external(model, budget))


class _Budget:
    def __init__(self) -> None:
        self._left = _MAX_TABLES

    def counted(self, tables: Iterator[Table]) -> Iterator[Table]:
        for table in tables:
            self._spend(1)
            yield table

    def integers(self, table: Table, number: int) -> tuple[int, ...]:
        """A vector of int32, which many tables may share: eight numbers cost as much as a table."""
        self._spend(table.vector(number, 4)[1] // 8)
        return table.integers(number)

    def text(self, table: Table, number: int) -> None:
        """A text, which many tables may share: 64 bytes cost as much as a table."""
        self._spend(table.vector(number, 1)[1] // 64)

    def _spend(self, tables: int) -> None:
        self._left -= tables
        if self._left < 0:
            raise ValueError(f"it has more than {_MAX_TABLES:,} tables")


def _check_graph(graph: Table, codes: int, buffers: int, budget: _Budget) -> None:
    tensors = 0
    for tensor in budget.counted(graph.tables(GRAPH_TENSORS)):
        tensor.vector(TENSOR_SHAPE, 4)
        budget.text(tensor, TENSOR_NAME)
        if tensor.u32(TENSOR_BUFFER) >= buffers:
            raise ValueError("a tensor refers to a buffer that does not exist")
        tensors += 1
    for operator in budget.counted(graph.tables(GRAPH_OPERATORS)):
        if operator.u32(OPERATOR_CODE) >= codes:
            raise ValueError("an operator has a code that does not exist")
        for number in (OPERATOR_INPUTS, OPERATOR_OUTPUTS):
            _check_indices(budget.integers(operator, number), -1, tensors)
    for number in (GRAPH_INPUTS, GRAPH_OUTPUTS):
        _check_indices(budget.integers(graph, number), 0, tensors)


def _check_indices(indices: tuple[int, ...], least: int, limit: int) -> None:
    """Tensor numbers: −1 stands for an optional input of an operator that is left out."""
    if any(not least <= index < limit for index in indices):
        raise ValueError("an operator refers to a tensor that does not exist")


def _external(model: Table, budget: _Budget) -> Iterator[ExternalRange]:
    names = [
        group.text(_GROUP_NAME) for group in budget.counted(model.tables(MODEL_EXTERNAL_GROUPS))
    ]
    for buffer in budget.counted(model.tables(MODEL_EXTERNAL_BUFFERS)):
        group = buffer.u32(_EXTERNAL_GROUP)
        if group >= len(names):
            raise ValueError("weights outside of the file refer to a group that does not exist")
        yield ExternalRange(
            f"buffer {buffer.u32(_EXTERNAL_ID)}",
            names[group],
            buffer.u64(_EXTERNAL_OFFSET),
            buffer.u64(_EXTERNAL_LENGTH),
        )
