"""Operators in ncnn and MNN files: the same numbers as in ONNX, or a reason in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.conversion.exporters.onnx_to_mnn import write_float_mnn
from edgecnn.conversion.exporters.onnx_to_ncnn import write_float_ncnn
from edgecnn.conversion.inference import crash_check
from edgecnn.conversion.quantizers.ncnn import quantize_ncnn
from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from tests.integration.conversion.ncnn_and_mnn_files import (
    ENDINGS,
    FORMATS,
    RNG,
    WRITERS,
    needs_pnnx,
    weights,
    write_onnx,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FORMATS)
def test_a_mean_over_one_axis_and_the_largest_value_stay_what_they_are(name: str, tmp_path: Path):
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [
            ("Conv", ["signal", "w"], ["a"]),
            ("ReduceMean", ["a"], ["mean"], {"axes": [2], "keepdims": 0}),
            ("ReduceMax", ["a"], ["largest"], {"axes": [2], "keepdims": 0}),
            ("Concat", ["mean", "largest"], ["both"], {"axis": 1}),
        ],
        [("signal", "FLOAT", [1, 2, 20])],
        [("both", "FLOAT", [1, 8])],
        w=weights(4, 2, 3),
    )
    path = tmp_path / f"m.{ENDINGS[name]}"
    WRITERS[name](onnx_path, path)
    signal = [RNG.normal(size=(1, 2, 20)).astype(np.float32)]  # as the file takes it
    before = runtimes.load(onnx_path, "onnxruntime:cpu")
    after = runtimes.load(path, f"{name}:cpu", precision="strict_float32")
    (expected,), (got,) = before.bind(signal)(), after.bind(signal)()
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding_that_no_convolution_takes_in_is_ncnn_s_own_layer(mode: str, tmp_path: Path):
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [("Relu", ["x"], ["a"]), ("Pad", ["a", "pads"], ["b"], {"mode": mode}),
         ("Sigmoid", ["b"], ["y"])],
        [("x", "FLOAT", [1, 2, 5, 6])],
        [("y", "FLOAT", [1, 2, 8, 11])],
        pads=np.asarray([0, 0, 1, 3, 0, 0, 2, 2]),
    )  # fmt: skip
    assert_ncnn_computes_the_same(onnx_path, (1, 2, 5, 6))


def test_a_file_that_ends_ncnn_s_process_is_refused_and_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """ncnn dies of some files by SIGSEGV; which ones changes with its version, so that the process
    that tries the file ends itself here.
    """
    monkeypatch.setattr(crash_check, "_RUN_NCNN", "import os; os.abort()")
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [("Conv", ["x", "w"], ["a"]), ("Transpose", ["a"], ["y"], {"perm": [0, 2, 3, 1]})],
        [("x", "FLOAT", [1, 3, 5, 6])],
        [("y", "FLOAT", [1, 5, 6, 4])],
        w=weights(4, 3, 1, 1),
    )
    with pytest.raises(UnsupportedError, match=r"ncnn crashes \(SIGABRT\)"):
        WRITERS["ncnn"](onnx_path, tmp_path / "m.ncnn.param")


def assert_ncnn_computes_the_same(onnx_path: Path, shape: tuple[int, ...]) -> None:
    path = onnx_path.with_name("m.ncnn.param")
    WRITERS["ncnn"](onnx_path, path)
    image = [RNG.normal(size=shape).astype(np.float32)]
    sessions = (
        runtimes.load(onnx_path, "onnxruntime:cpu"),
        runtimes.load(path, "ncnn:cpu", precision="strict_float32"),
    )
    (expected,), (got,) = (session.bind(image)() for session in sessions)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_equal_parts_are_told_their_sizes(tmp_path: Path):
    """pnnx writes a layer without sizes, of which ncnn dies by SIGSEGV."""
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [("Conv", ["x", "w"], ["a"]), ("Split", ["a"], ["b", "c"], {"axis": 1}),
         ("Sigmoid", ["c"], ["d"]), ("Concat", ["d", "b"], ["y"], {"axis": 1})],
        [("x", "FLOAT", [1, 3, 5, 6])],
        [("y", "FLOAT", [1, 6, 5, 6])],
        w=weights(6, 3, 1, 1),
    )  # fmt: skip
    assert_ncnn_computes_the_same(onnx_path, (1, 3, 5, 6))


@pytest.mark.parametrize("pads", [[0, 0, 1, 1], [1, 0, 0, 2]])
def test_a_transposed_convolution_is_cut_unevenly(pads: list[int], tmp_path: Path):
    """As TensorFlow's "same" is: pnnx leaves the layer as it is, and ncnn has none of its name."""
    height, width = 11 - pads[0] - pads[2], 13 - pads[1] - pads[3]
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [("ConvTranspose", ["x", "w"], ["a"], {"strides": [2, 2], "pads": pads}),
         ("Relu", ["a"], ["y"])],
        [("x", "FLOAT", [1, 2, 5, 6])],
        [("y", "FLOAT", [1, 4, height, width])],
        w=weights(2, 4, 3, 3),
    )  # fmt: skip
    assert_ncnn_computes_the_same(onnx_path, (1, 2, 5, 6))


@pytest.mark.parametrize("name", FORMATS)
def test_word_ids_are_looked_up(name: str, tmp_path: Path):
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [
            ("Gather", ["table", "words"], ["rows"]),
            ("Transpose", ["rows"], ["a"], {"perm": [0, 2, 1]}),
            ("Conv", ["a", "w"], ["b"]),
            ("ReduceMax", ["b"], ["scores"], {"axes": [2], "keepdims": 0}),
        ],
        [("words", "INT32", [1, 9])],
        [("scores", "FLOAT", [1, 3])],
        table=weights(50, 6),
        w=weights(3, 6, 2),
    )
    path = tmp_path / f"m.{ENDINGS[name]}"
    WRITERS[name](onnx_path, path)
    words = RNG.integers(0, 50, (1, 9), np.int32)
    (expected,) = runtimes.load(onnx_path, "onnxruntime:cpu").run([words])
    (got,) = runtimes.load(path, f"{name}:cpu", precision="strict_float32").run([words])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert read_signature(path).inputs[0].dtype == "int32"


@needs_pnnx
def test_what_ncnn_does_not_have_is_named(tmp_path: Path):
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [
            ("Conv", ["image", "w"], ["a"]),
            ("Tile", ["a", "times"], ["b"]),
        ],
        [("image", "FLOAT", [1, 3, 8, 8])],
        [("b", "FLOAT", [1, 4, 12, 6])],
        w=weights(4, 3, 3, 3),
        times=np.asarray([1, 1, 2, 1]),
    )
    with pytest.raises(UnsupportedError, match=r"has no layer for torch\.tile \(first: "):
        write_float_ncnn(onnx_path, tmp_path / "m.ncnn.param")
    assert not list(tmp_path.glob("m.ncnn.*"))


def test_without_a_layer_that_ncnn_quantizes_there_is_no_int8(tmp_path: Path):
    path = tmp_path / "n.param"
    path.write_text("7767517\n2 2\nInput in 0 1 x 0=4\nReLU relu 1 1 x y\n")
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(UnsupportedError, match="no Convolution and no InnerProduct"):
        quantize_ncnn(path, tmp_path / "q.param", [[np.ones((1, 4), np.float32)]])


@needs_pnnx
def test_a_file_that_computes_something_else_is_refused(tmp_path: Path):
    """Without a layer that says which axis the batch is, pnnx takes it for another one; ncnn then
    reads past the values that there are.
    """
    onnx_path = write_onnx(
        tmp_path / "m.onnx",
        [
            ("Gather", ["table", "words"], ["rows"]),
            ("ReduceMean", ["rows"], ["mean"], {"axes": [1], "keepdims": 0}),
            ("Gemm", ["mean", "w"], ["scores"], {"transB": 1}),
        ],
        [("words", "INT32", [1, 9])],
        [("scores", "FLOAT", [1, 3])],
        table=weights(50, 6),
        w=weights(3, 6),
    )
    with pytest.raises(UnsupportedError, match="pnnx writes a file that computes something else"):
        write_float_ncnn(onnx_path, tmp_path / "m.ncnn.param")
    write_float_mnn(onnx_path, tmp_path / "m.mnn")  # which takes it as it is


@pytest.mark.parametrize("auto_pad", [{"auto_pad": "VALID"}, {}], ids=["valid", "nothing"])
def test_volumes_go_to_mnn_although_their_windows_are_not_said(tmp_path: Path, auto_pad):
    """MNN's converter has no defaults for 3-D layers; its file then crashed the process."""
    pytest.importorskip("MNN", reason="MNN is not installed")
    path = write_onnx(
        tmp_path / "voxels.onnx",
        [
            ("Conv", ["x", "w"], ["a"], {"strides": [2, 2, 2], **auto_pad}),
            ("Relu", ["a"], ["b"]),
            ("MaxPool", ["b"], ["c"], {"kernel_shape": [2] * 3, "strides": [2] * 3, **auto_pad}),
            ("AveragePool", ["c"], ["d"], {"kernel_shape": [2, 1, 1], **auto_pad}),
            ("Flatten", ["d"], ["y"]),
        ],
        [("x", "FLOAT", [1, 1, 11, 11, 11])],
        [("y", "FLOAT", [1, 16])],
        w=weights(4, 1, 3, 3, 3),
    )
    write_float_mnn(path, tmp_path / "voxels.mnn")
    image = RNG.normal(size=(1, 11, 11, 11, 1)).astype(np.float32)
    one, other = (
        runtimes.load(file, runtime).run([image])[0]
        for file, runtime in ((path, "onnxruntime:cpu"), (tmp_path / "voxels.mnn", "mnn:cpu"))
    )
    np.testing.assert_allclose(other, one, atol=1e-5)


def test_one_minus_a_map_goes_to_mnn(tmp_path: Path):
    """A constant (1, 1, 1, 1) that stands first: MNN's converter subtracts the other way."""
    pytest.importorskip("MNN", reason="MNN is not installed")
    path = write_onnx(
        tmp_path / "rest.onnx",
        [("Conv", ["x", "w"], ["a"]), ("Erf", ["a"], ["b"]), ("Sub", ["one", "b"], ["y"])],
        [("x", "FLOAT", [1, 3, 6, 6])],
        [("y", "FLOAT", [1, 4, 4, 4])],
        w=weights(4, 3, 3, 3),
        one=np.ones((1, 1, 1, 1), np.float32),
    )
    write_float_mnn(path, tmp_path / "rest.mnn")
