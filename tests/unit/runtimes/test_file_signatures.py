"""Reading the signatures of .onnx and .tflite files without their libraries."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.formats.check import read_signature


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float16), "weights")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["picture", "weights"], ["features"], kernel_shape=[3, 3]),
            helper.make_node("Relu", ["features"], ["positive"]),
        ],
        "graph",
        [
            helper.make_tensor_value_info("picture", TensorProto.FLOAT16, ["n", 3, 32, None]),
            # Before IR version 4 weights stood among the inputs too.
            helper.make_tensor_value_info("weights", TensorProto.FLOAT16, [8, 3, 3, 3]),
        ],
        [helper.make_tensor_value_info("positive", TensorProto.FLOAT16, None)],
        [weights],
    )
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx.save(helper.make_model(graph, ir_version=3), path)
    return path


def test_an_onnx_signature_is_what_the_onnx_package_reads(onnx_model: Path) -> None:
    signature = read_signature(onnx_model)
    (image,) = signature.inputs
    assert (image.name, image.dtype, image.shape) == (
        "picture",
        "float16",
        ("n", 3, 32, None),
    )
    (positive,) = signature.outputs
    assert (positive.name, positive.shape) == ("positive", None)
    assert signature.operators == {"Conv": 1, "Relu": 1}


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_onnx_file_is_read_or_refused_and_nothing_else(
    data: st.DataObject, onnx_model: Path, tmp_path: Path
) -> None:
    content = bytearray(onnx_model.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(InputError):
        read_signature(path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=400))
def test_any_bytes_behind_a_tflite_head_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "noise.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + content)
    with pytest.raises(InputError):
        read_signature(path)
