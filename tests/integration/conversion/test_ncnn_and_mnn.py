"""ncnn and MNN files from float ONNX files: the same numbers, or a reason in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.conversion.convert import convert
from edgecnn.conversion.exporters.onnx_to_mnn import quantize_mnn, write_float_mnn
from edgecnn.conversion.exporters.onnx_to_ncnn import pnnx_path, write_float_ncnn
from edgecnn.conversion.quantizers.ncnn import quantize_ncnn
from edgecnn.conversion.running import loading
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.formats import ncnn as ncnn_files
from edgecnn.formats.check import check_model_path, read_signature
from edgecnn.manifest import write_manifest

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
SHAPE = (1, 12, 10, 3)


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


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images channels last, a depthwise convolution, a resize, and two outputs of which the first
    is computed last.
    """
    size = np.asarray([1, 1, 2, 2], np.float32)
    return write_onnx(
        tmp_path_factory.mktemp("onnx") / "detector.onnx",
        [
            ("Transpose", ["image"], ["a"], {"perm": [0, 3, 1, 2]}),
            ("Conv", ["a", "w1", "b1"], ["b"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
            ("Relu", ["b"], ["c"]),
            ("Conv", ["c", "w2"], ["d"], {"pads": [1, 1, 1, 1], "group": 8}),
            ("Resize", ["d", "", "size"], ["e"], {"mode": "nearest", "nearest_mode": "floor",
             "coordinate_transformation_mode": "asymmetric"}),
            ("Conv", ["e", "w3"], ["f"]),
            ("Transpose", ["f"], ["boxes"], {"perm": [0, 2, 3, 1]}),
            ("ReduceMean", ["c"], ["g"], {"axes": [2, 3], "keepdims": 0}),
            ("Gemm", ["g", "w4", "b4"], ["h"], {"transB": 1}),
            ("Softmax", ["h"], ["scores"], {"axis": 1}),
        ],
        [("image", "FLOAT", ["batch", *SHAPE[1:]])],
        [("scores", "FLOAT", ["batch", 5]), ("boxes", "FLOAT", ["batch", 12, 10, 4])],
        size=size, w1=weights(8, 3, 3, 3), b1=weights(8, 1)[:, 0], w2=weights(8, 1, 3, 3),
        w3=weights(4, 8, 1, 1), w4=weights(5, 8), b4=weights(5, 1)[:, 0],
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(detector: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The detector in a format and a recipe, each made once."""
    folder = tmp_path_factory.mktemp("made")
    samples = [[RNG.random(SHAPE, np.float32)] for _ in range(8)]

    def make(name: str, recipe: str) -> Path:
        path = folder / f"{recipe}.{ENDINGS[name]}"
        if path.exists():
            return path
        if recipe == "static_int8":
            quantize = {"ncnn": quantize_ncnn, "mnn": quantize_mnn}[name]
            quantize(make(name, "float32"), path, samples)
        else:
            WRITERS[name](detector, path, half=recipe == "float16")
        return path

    return make


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("recipe", "most"), [("float32", 1e-5), ("float16", 2e-3), ("static_int8", 0.1)]
)
def test_outputs_keep_their_order_their_names_and_their_values(
    name: str, recipe: str, most: float, detector: Path, made
):
    path = made(name, recipe)
    image = RNG.random(SHAPE, np.float32)
    expected = runtimes.load(detector, "onnxruntime:cpu").run([image])
    session = runtimes.load(path, f"{name}:cpu", precision="strict_float32")
    assert [spec.name for spec in session.inputs] == ["image"]
    assert [spec.name for spec in session.outputs] == ["scores", "boxes"]
    for got, wanted in zip(session.run([image]), expected, strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).mean() < most * max(1.0, wanted.std())
    assert load_artifact(path).manifest.recipe == recipe
    if recipe == "static_int8":
        assert session.effective.precision == "int8"


@pytest.mark.parametrize("written", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_interrupted_around_the_manifest_is_made_again(
    detector: Path, tmp_path: Path, name: str, written: bool, monkeypatch: pytest.MonkeyPatch
):
    """These files hold no manifest: without the one beside, nobody knows whose they are."""

    def interrupted(*arguments, **more):
        if written:
            write_manifest(*arguments, **more)
        raise KeyboardInterrupt

    target = f"{name}:float32"
    monkeypatch.setattr("edgecnn.conversion.converter.write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(detector, target, out=tmp_path, samples=4)
    monkeypatch.undo()
    statuses = [convert(detector, target, out=tmp_path, samples=4)[0].status for _ in range(2)]
    assert statuses == ["converted", "reused"]


@pytest.mark.parametrize("name", FORMATS)
def test_an_interruption_leaves_no_model_with_the_manifest_of_another(
    detector: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    target = f"{name}:float32"
    (outcome,) = convert(detector, target, out=tmp_path, samples=4)
    assert outcome.artifact is not None, outcome.error

    def interrupted(*arguments, **more):
        write_manifest(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecnn.conversion.converter.write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(detector, target, out=tmp_path, samples=8, force=True)
    monkeypatch.undo()
    assert not outcome.artifact.path.exists()
    (again,) = convert(detector, target, out=tmp_path, samples=8)
    assert again.status == "converted"


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
    monkeypatch.setattr(loading, "_RUN_NCNN", "import os; os.abort()")
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


def test_mnn_takes_any_batch(made):
    path = made("mnn", "float32")
    images = RNG.random((3, *SHAPE[1:]), np.float32)
    alone = runtimes.load(path, "mnn:cpu")
    together = runtimes.load(path, "mnn:cpu", batch=3).run([images])
    for index, image in enumerate(images):
        for all_of, one in zip(together, alone.run([image[None]]), strict=True):
            np.testing.assert_allclose(all_of[index], one[0], atol=1e-5)


@needs_pnnx
def test_ncnn_takes_one_sample_and_says_so(made):
    with pytest.raises(InputError, match="exactly 1, asked for: 3"):
        runtimes.load(made("ncnn", "float32"), "ncnn:cpu", batch=3)


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


@needs_pnnx
def test_both_files_have_one_name(made):
    path = made("ncnn", "float16")
    assert ncnn_files.weights_path(path).name == "float16.ncnn.bin"
    check_model_path(path)


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
