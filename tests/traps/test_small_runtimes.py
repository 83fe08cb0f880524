"""Traps of ncnn and MNN: files and sessions that are not what their makers say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn.conversion.convert import convert
from edgecnn.conversion.exporters.onnx_to_mnn import write_float_mnn
from edgecnn.conversion.exporters.onnx_to_ncnn import pnnx_path
from edgecnn.errors import EdgeCNNError, MissingDependencyError
from edgecnn.results import RuntimeOptions
from edgecnn.system.places import ASSETS

NANO = ASSETS / "stop_sign_nano_static_int8"
SHAPE = (1, 3, 10, 8)


def has_pnnx() -> bool:
    try:
        pnnx_path()
    except MissingDependencyError:
        return False
    return True


needs_pnnx = pytest.mark.skipif(not has_pnnx(), reason="needs: edgecnn env create pnnx")


@pytest.fixture(scope="module")
def onnx_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution, a mean and a dense layer; any batch."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(size=(6, 3, 3, 3)), "v": rng.normal(size=(4, 6))}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w"], ["a"]),
            helper.make_node("ReduceMean", ["a"], ["b"], axes=[2, 3], keepdims=0),
            helper.make_node("Gemm", ["b", "v"], ["scores"], transB=1),
        ],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *SHAPE[1:]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(each.astype(np.float32), key) for key, each in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("small") / "net.onnx"
    onnx.save(model, path)
    return path


@needs_pnnx
def test_what_pnnx_writes_unasked_is_float16_whatever_its_name(
    measure: Callable, onnx_path: Path, tmp_path: Path
):
    model = tmp_path / "net_float32.onnx"
    model.write_bytes(onnx_path.read_bytes())
    sizes = ",".join(map(str, SHAPE))
    subprocess.run(
        [str(pnnx_path()), model.name, f"inputshape=[{sizes}]f32"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    row = measure(
        tmp_path / "net_float32.ncnn.param",
        "ncnn:cpu",
        options=RuntimeOptions(shape="x".join(map(str, SHAPE))),
        passes=["response"],
    )
    assert row.status == "ok", row.error
    assert row.artifact.recipe == "float16"


@needs_pnnx
def test_a_float32_target_is_float32(onnx_path: Path, tmp_path: Path):
    (outcome,) = convert(onnx_path, "ncnn:float32", out=tmp_path, name="net")
    assert outcome.artifact is not None, outcome.error
    assert outcome.artifact.manifest.recipe == "float32"
    assert outcome.parity is not None
    assert outcome.parity.max_abs_error < 1e-5


def test_a_float32_row_of_ncnn_says_what_it_rounds(measure: Callable, tmp_path: Path):
    """Dense layers get float16 weights unless it is forbidden."""
    path = tmp_path / "dense.param"
    path.write_text("7767517\n2 2\nInput in 0 1 x 0=16\nInnerProduct d 1 1 x y 0=8 1=0 2=128\n")
    path.with_suffix(".bin").write_bytes(bytes(4) + np.linspace(-1, 1, 128, dtype="<f4").tobytes())
    open_to_it, strict = (
        edgecnn.load(path, runtime="ncnn:cpu", precision=precision).effective
        for precision in ("default", "strict_float32")
    )
    assert strict.precision == "float32"
    assert not any(on for name, on in strict.details["options"].items() if "fp16" in name)
    if open_to_it.details["options"]["use_fp16_storage"]:
        assert open_to_it.precision != "float32"


def test_layers_that_a_converter_left_over_are_named_before_anything_runs(
    measure: Callable, tmp_path: Path
):
    path = tmp_path / "left.param"
    path.write_text("7767517\n2 2\nInput in 0 1 x 0=4\ntorch.tile again 1 1 x y\n")
    path.with_suffix(".bin").write_bytes(b"")
    row = measure(path, "ncnn:cpu")
    assert row.status == "unsupported"
    assert "no layer for torch.tile (first: again)" in row.error


def test_a_session_of_mnn_that_was_not_resized_computes_nothing_and_ours_does(
    onnx_path: Path, tmp_path: Path
):
    path = tmp_path / "net.mnn"
    write_float_mnn(onnx_path, path)
    images = np.random.default_rng(1).random((2, *SHAPE[1:]), np.float32)
    (expected,) = edgecnn.load(onnx_path, runtime="onnxruntime:cpu", batch=2).bind([images])()
    code = (
        "import sys, MNN, numpy as np\n"
        "net = MNN.Interpreter(sys.argv[1]); session = net.createSession()\n"
        "given = net.getSessionInput(session); net.resizeTensor(given, (2, 3, 10, 8))\n"
        "net.runSession(session)\n"  # gives a number that nobody has to look at
        "sys.exit(9 if net.getSessionOutput(session).getShape() == (2, 4) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr  # it returns normally, and has no answer
    session = edgecnn.load(path, runtime="mnn:cpu", batch=2)
    np.testing.assert_allclose(session.bind([images])()[0], expected, atol=1e-5)


def test_mnn_of_a_quantized_tflite_file_that_dies_is_a_row(measure: Callable, tmp_path: Path):
    """MNN's converter takes the file; no such way is offered by `convert`."""
    made = tmp_path / "nano.mnn"
    code = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
    arguments = ["-f", "TFLITE", "--modelFile", f"{NANO}.tflite", "--MNNModel", str(made)]
    subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    if not made.exists():
        pytest.skip("this version of MNN does not convert the file at all")
    row = measure(made, "mnn:cpu")
    assert row.status != "ok"
    assert row.error
    assert "\n" not in row.error


def test_a_quantized_file_that_mnn_reports_as_converted_and_that_does_not_run_is_refused(
    tmp_path: Path,
):
    with pytest.raises(EdgeCNNError, match=r"mnnconvert (writes|reports success)"):
        write_float_mnn(Path(f"{NANO}.onnx"), tmp_path / "nano.mnn")
    assert not (tmp_path / "nano.mnn").exists()
