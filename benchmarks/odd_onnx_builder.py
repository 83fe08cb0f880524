"""What ONNX models are made of, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FLOAT, UINT8, INT8, INT32, INT64, STRING, BOOL, HALF, DOUBLE, BFLOAT16 = (
    *(1, 2, 3, 6, 7, 8, 9, 10, 11, 16),
)
Build = Callable[[Path], None]
Shape = Sequence[int | str | None]


def value(name: str, shape: Shape | None, dtype: int = FLOAT) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, shape)


def constant(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values), name)


def weights(*shape: int) -> Any:
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def model_of(
    nodes: Sequence[tuple[Any, ...]],
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    ir: int = 8,
    domains: Mapping[str, int] | None = None,
) -> Build:
    """Nodes are (operator, inputs, outputs, attributes); from "x" (1, 3, 16, 16) to "y"."""
    from onnx import helper

    def build(path: Path) -> None:
        made = [
            helper.make_node(operator, into, out, **(attributes[0] if attributes else {}))
            for operator, into, out, *attributes in nodes
        ]
        graph = helper.make_graph(
            made,
            "odd",
            [value("x", (1, 3, 16, 16))] if inputs is None else inputs,
            [value("y", None)] if outputs is None else outputs,
            [constant(name, values) for name, values in (constants or {}).items()],
        )
        sets = [
            helper.make_opsetid("", opset),
            *(helper.make_opsetid(domain, version) for domain, version in (domains or {}).items()),
        ]
        model = helper.make_model(graph, opset_imports=sets, ir_version=ir)
        path.write_bytes(model.SerializeToString())

    return build


def save(graph: Any, path: Path, **domains: int) -> None:
    from onnx import helper

    sets = [helper.make_opsetid("", 17)]
    sets += [helper.make_opsetid(domain.replace("_", "."), v) for domain, v in domains.items()]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    path.write_bytes(model.SerializeToString())
