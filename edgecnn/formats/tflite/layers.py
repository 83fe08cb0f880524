"""The operators of a .tflite file's main graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgecnn.formats.layers import FileLayer
from edgecnn.formats.sizes import elements
from edgecnn.formats.tflite.operators import CUSTOM, name_of
from edgecnn.formats.tflite.schema import (
    BUFFER_DATA,
    CODE_CUSTOM,
    GRAPH_OPERATORS,
    GRAPH_TENSORS,
    MODEL_BUFFERS,
    MODEL_CODES,
    MODEL_SUBGRAPHS,
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OUTPUTS,
    TENSOR_BUFFER,
    TENSOR_NAME,
    TENSOR_SHAPE,
    codes_of,
    dtype_of,
    opened,
)


def layers(path: Path) -> Iterator[FileLayer]:
    """See `formats.layers.read_layers`. Raises ValueError or struct.error for a file that is not
    whole.
    """
    with opened(path) as model:
        custom = [code.text(CODE_CUSTOM) for code in model.tables(MODEL_CODES)]
        names = [
            custom[at] or "CUSTOM" if code == CUSTOM else name_of(code)
            for at, code in enumerate(codes_of(model))
        ]
        filled = [buffer.vector(BUFFER_DATA, 1)[1] > 0 for buffer in model.tables(MODEL_BUFFERS)]
        graph = next(model.tables(MODEL_SUBGRAPHS), None)
        if graph is None:
            return
        tensors = list(graph.tables(GRAPH_TENSORS))
        for operator in graph.tables(GRAPH_OPERATORS):
            outputs = operator.integers(OPERATOR_OUTPUTS)
            first = tensors[outputs[0]] if outputs else None
            read = [tensors[index] for index in operator.integers(OPERATOR_INPUTS) if index >= 0]
            yield FileLayer(
                name=first.text(TENSOR_NAME).partition(";")[0] if first is not None else "",
                operator=names[operator.u32(OPERATOR_CODE)],
                shape=first.integers(TENSOR_SHAPE) if first is not None else None,
                dtype=dtype_of(first) if first is not None else "",
                weights=sum(
                    elements(tensor.integers(TENSOR_SHAPE))
                    for tensor in read
                    if tensor.u32(TENSOR_BUFFER) < len(filled) and filled[tensor.u32(TENSOR_BUFFER)]
                ),
            )
