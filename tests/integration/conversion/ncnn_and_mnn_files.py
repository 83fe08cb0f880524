"""Small ONNX files, and what makes ncnn and MNN files from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.exporters.onnx_to_mnn import write_float_mnn
from edgecnn.conversion.exporters.onnx_to_ncnn import pnnx_path, write_float_ncnn
from edgecnn.errors import MissingDependencyError

RNG = np.random.default_rng(0)


def has_pnnx() -> bool:
    try:
        pnnx_path()
    except MissingDependencyError:
        return False
    return True


needs_pnnx = pytest.mark.skipif(not has_pnnx(), reason="needs: edgecnn env create pnnx")
FORMATS = [pytest.param("ncnn", marks=needs_pnnx), "mnn"]
ENDINGS = {"ncnn": "ncnn.param", "mnn": "mnn"}
WRITERS: dict[str, Callable[..., None]] = {"ncnn": write_float_ncnn, "mnn": write_float_mnn}


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(scale=np.sqrt(2 / np.prod(shape[1:])), size=shape).astype(np.float32)


def write_onnx(path: Path, nodes, inputs, outputs, **constants: np.ndarray) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    def values(described):
        return [
            helper.make_tensor_value_info(name, onnx.TensorProto.DataType.Value(kind), shape)
            for name, kind, shape in described
        ]

    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
        "graph",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
