"""Max pooling behind a padding with the lowest float: the padding has no range of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.quantizers.onnx import quantize_onnx
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.verification.verify import load_session
from edgecnn.formats.check import read_signature

onnx = pytest.importorskip("onnx", reason="the network is an ONNX file")
pytest.importorskip("onnxruntime", reason="ONNX Runtime's tools quantize")


def test_onnx_keeps_its_levels(tmp_path: Path):
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(0, 0.4, (4, 3, 3, 3)).astype(np.float32),
        "pads": np.asarray([0, 0, 1, 1, 0, 0, 1, 1]),
        "lowest": np.asarray(np.finfo(np.float32).min),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Pad", ["a", "pads", "lowest"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 4, 4])],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    samples = [rng.normal(0, 1, (1, 9, 9, 3)).astype(np.float32) for _ in range(8)]
    quantize_onnx(tmp_path / "net.onnx", Recipe("int8", "int8"), tmp_path / "q.onnx", samples)
    assert "Pad" not in read_signature(tmp_path / "q.onnx").operators
    for sample in samples:
        expected, found = (
            load_session(tmp_path / name).run([sample])[0] for name in ("net.onnx", "q.onnx")
        )
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
