"""Other input sizes for one set of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.onnx.resize import write_resized
from edgecnn.manifest import Manifest, TensorSpec, sidecar_path, write_manifest
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.vision.detectors.input_size import parse_size, size_for, sized

RNG = np.random.default_rng(5)


def onnx_network(path: Path, *, flat: bool = False) -> Path:
    """A convolution of stride 2, a Resize back by constant sizes, and the sum with the image."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = RNG.normal(size=(3, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node(
            "Conv", ["image", "weights"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1], name="conv"
        ),
        helper.make_node("Resize", ["half", "", "", "sizes"], ["whole"], name="up"),
        helper.make_node("Add", ["image", "whole"], ["sum"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.asarray([1, 3, 128, 128], np.int64), "sizes"),
    ]
    shape = [1, 3, 128, 128]
    if flat:
        nodes.append(helper.make_node("Reshape", ["sum", "flat"], ["vector"], name="flatten"))
        constants.append(numpy_helper.from_array(np.asarray([1, -1], np.int64), "flat"))
        shape = [1, 3 * 128 * 128]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 128, 128])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(
    ("text", "size"), [("768", 768), ("768x448", (448, 768)), (" 1280×704 ", (704, 1280))]
)
def test_a_size_is_a_longer_side_or_width_and_height(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "700", "0", "-64", "64x", "1x2x3", "٧٦٨", "4096", "7e2"])
def test_another_size_is_refused_with_what_is_taken(text):
    with pytest.raises(InputError, match=r"768|multiples of 64"):
        parse_size(text)


def test_the_input_fits_the_image():
    assert size_for(512, 720, 1280) == (320, 512)  # 288 rows of image, and 32 of margin
    assert size_for(768, 720, 1280) == (448, 768)
    assert size_for(640, 1280, 720) == (640, 384)
    assert size_for(512, 300, 300) == (512, 512)


def test_an_onnx_file_answers_as_the_same_weights_at_that_size(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    import onnx
    from onnx import numpy_helper

    path = onnx_network(tmp_path / "a.onnx")
    write_resized(path, tmp_path / "b.onnx", 64, 192)
    image = RNG.random((1, 3, 64, 192), np.float32)
    (found,) = ort.InferenceSession(str(tmp_path / "b.onnx")).run(None, {"image": image})
    other = onnx.load(str(path))  # made by hand
    for dim, size in zip(
        other.graph.input[0].type.tensor_type.shape.dim, (1, 3, 64, 192), strict=True
    ):
        dim.dim_value = size
    other.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 64
    other.graph.output[0].type.tensor_type.shape.dim[3].dim_value = 192
    other.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.asarray([1, 3, 64, 192], np.int64), "sizes")
    )
    (expected,) = ort.InferenceSession(other.SerializeToString()).run(None, {"image": image})
    np.testing.assert_array_equal(found, expected)


def test_a_network_whose_weights_depend_on_the_size_is_refused_with_the_operator(tmp_path):
    path = onnx_network(tmp_path / "a.onnx", flat=True)
    with pytest.raises(UnsupportedError, match="Reshape flatten depends on it"):
        write_resized(path, tmp_path / "b.onnx", 64, 192)
    assert not (tmp_path / "b.onnx").exists()


MANIFEST = Manifest(
    task="detection",
    inputs=(TensorSpec("image", (1, 3, 128, 128), "float32", "NCHW"),),
    outputs=(TensorSpec("sum", (1, 3, 128, 128), "float32", "NCHW"),),
    preprocessing=LetterboxPreprocessing(128, 128, 3),
)


@pytest.fixture
def artifact(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))
    return write_manifest(onnx_network(tmp_path / "a.onnx"), MANIFEST)


def test_a_size_is_made_once_and_made_again_when_it_is_damaged(artifact):
    assert sized(artifact, 128, 128) is artifact
    first = sized(artifact, 64, 192)
    assert first.manifest.inputs[0].shape == (1, 3, 64, 192)
    assert first.manifest.preprocessing == LetterboxPreprocessing(64, 192, 3)
    assert first.manifest.conversion["resized_from"] == artifact.sha256
    written = first.path.stat().st_mtime_ns
    assert sized(artifact, 64, 192).path.stat().st_mtime_ns == written
    first.path.write_bytes(first.path.read_bytes()[:100])
    again = sized(artifact, 64, 192)
    assert again.sha256 == first.sha256
    assert load_artifact(again.path).manifest.inputs == first.manifest.inputs


def test_what_the_manifest_says_now_holds_at_every_size(artifact):
    before = sized(artifact, 64, 192)
    changed = replace(MANIFEST, labels=("helmet",), metrics={"min_score": 0.7})
    now = sized(write_manifest(artifact.path, changed), 64, 192)
    assert now.path == before.path
    assert now.manifest.labels == ("helmet",)
    assert now.manifest.metrics == {"min_score": 0.7}
    assert now.manifest.inputs == before.manifest.inputs


def test_a_model_in_the_cache_without_its_manifest_is_made_again(artifact):
    made = sized(artifact, 64, 192)
    sidecar_path(made.path).unlink()
    made.path.write_bytes(onnx_network(artifact.path.with_name("other.onnx")).read_bytes())
    assert sized(artifact, 64, 192).sha256 == made.sha256
    assert sidecar_path(made.path).exists()


def test_no_model_is_put_in_the_cache_before_its_manifest(artifact):
    made = sized(artifact, 64, 192)
    made.path.unlink()
    sidecar_path(made.path).unlink()
    sidecar_path(made.path).mkdir()  # where it cannot be written
    with pytest.raises(InputError, match="cannot write"):
        sized(artifact, 64, 192)
    assert not made.path.exists()


def test_a_model_that_does_not_say_how_images_enter_it_is_refused(tmp_path):
    artifact = load_artifact(onnx_network(tmp_path / "a.onnx"))
    with pytest.raises(InputError, match="does not say how images enter it"):
        sized(artifact, 64, 192)
