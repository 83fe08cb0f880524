"""A float file that computes something else is refused before anything is made of it."""

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.verification.same_numbers import check_float_file
from edgecnn.errors import UnsupportedError

onnx = pytest.importorskip("onnx", reason="the file is an ONNX file")
pytest.importorskip("onnxruntime", reason="it computes the file")

SAMPLES = [np.full((1, 4), value, np.float32) for value in (1, 2, 3)]


def doubled(path: Path) -> Path:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("factor", "tool"), [(2.0, ""), (2.0001, ""), (2.1, "onnx2tf")])
def test_an_error_beyond_rounding_names_the_tool(factor: float, tool: str, tmp_path: Path):
    path = doubled(tmp_path / "model.onnx")
    reference = [np.concatenate(SAMPLES) * np.float32(factor)]
    if not tool:
        check_float_file(path, reference, SAMPLES, names=["y"], tool="onnx2tf")
        return
    with pytest.raises(
        UnsupportedError, match="onnx2tf writes a file that computes something else"
    ):
        check_float_file(path, reference, SAMPLES, names=["y"], tool=tool)
