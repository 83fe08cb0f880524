"""A network in ncnn and MNN files: names, order, batches, recipes, and what interruptions leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn import runtimes
from edgecnn.conversion.convert import convert
from edgecnn.conversion.exporters.onnx_to_mnn import quantize_mnn
from edgecnn.conversion.quantizers.ncnn import quantize_ncnn
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.formats import ncnn as ncnn_files
from edgecnn.formats.check import check_model_path
from edgecnn.manifest import write_manifest
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

SHAPE = (1, 12, 10, 3)


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
def test_both_files_have_one_name(made):
    path = made("ncnn", "float16")
    assert ncnn_files.weights_path(path).name == "float16.ncnn.bin"
    check_model_path(path)
