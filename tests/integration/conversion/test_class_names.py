"""What a classifier calls its classes decides which answers are right, wherever it is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.conversion.convert import convert, open_converter
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.base import Dataset, Split
from edgecnn.embedded_manifest import load_artifact
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.optimization.drops import DropEstimator
from edgecnn.preprocessing import ImagePreprocessing

pytest.importorskip("onnx", reason="the classifier is an ONNX file")
pytest.importorskip("onnxruntime", reason="the file runs with onnxruntime")

OURS = ("cat", "dog", "fox")
THEIRS = ("fox", "cat", "dog")
PREPARED = ImagePreprocessing(2, 2, 1)
COUNT = 30


def classifier(path: Path, *, names: bool) -> Path:
    """The class is the pixel that is bright; `names` writes THEIRS into the file."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["output"]),
        ],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2, 2, 1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.eye(4, 3, dtype=np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if names:
        model.metadata_props.add(key="names", value=str(dict(enumerate(THEIRS))))
    onnx.save(model, path)
    return path


def data() -> Dataset:
    """Images that the classifier reads without an error, with labels in another order."""
    bright = np.arange(COUNT) % 3
    images = np.zeros((COUNT, 4), np.uint8)
    images[np.arange(COUNT), bright] = 200
    images[:, 3] = np.arange(COUNT)
    labels = np.array([OURS.index(THEIRS[place]) for place in bright])
    split = Split(images.reshape(COUNT, 2, 2), labels)
    return Dataset("made", "classification", OURS, {"train": split, "test": split}, "ab", (2, 2))


SOURCES = pytest.mark.parametrize(
    ("in_file", "about"),
    [(True, None), (False, ModelOptions(labels=THEIRS))],
    ids=["names in the file", "--labels"],
)


@SOURCES
def test_a_converted_file_has_the_models_names_and_is_right(
    tmp_path: Path, in_file: bool, about: ModelOptions | None
):
    path = classifier(tmp_path / "net.onnx", names=in_file)
    (outcome,) = convert(
        path,
        "onnx:float32",
        calibration=data(),
        out=tmp_path / "made",
        preprocessing=PREPARED,
        about=about,
    )
    assert outcome.artifact is not None, outcome.error
    assert load_artifact(outcome.artifact.path).manifest.labels == THEIRS
    found = verify_artifact(outcome.artifact.path, parent=path, dataset=data())
    assert found.accuracy is not None
    assert (found.accuracy.value, found.parent_accuracy.value) == (1.0, 1.0)


@SOURCES
def test_a_file_that_somebody_else_made_is_verified_in_the_models_names(
    tmp_path: Path, in_file: bool, about: ModelOptions | None
):
    path = classifier(tmp_path / "net.onnx", names=in_file)
    other = classifier(tmp_path / "other.onnx", names=False)
    found = verify_artifact(other, parent=path, dataset=data(), preprocessing=PREPARED, about=about)
    assert (found.accuracy.value, found.parent_accuracy.value) == (1.0, 1.0)


@SOURCES
def test_a_search_judges_the_model_in_its_own_names(
    tmp_path: Path, in_file: bool, about: ModelOptions | None
):
    path = classifier(tmp_path / "net.onnx", names=in_file)
    with open_converter(
        path, calibration=data(), out=tmp_path / "made", preprocessing=PREPARED, about=about
    ) as converter:
        tensors = [PREPARED(each)[None] for each in data()["test"].samples]
        judge = DropEstimator(data(), converter.parent, PREPARED, converter.reference(tensors))
    assert judge.parent.value == 1.0


@SOURCES
def test_names_are_kept_without_data(tmp_path: Path, in_file: bool, about: ModelOptions | None):
    path = classifier(tmp_path / "net.onnx", names=in_file)
    (outcome,) = convert(path, "onnx:float32", out=tmp_path / "made", about=about)
    assert outcome.artifact is not None, outcome.error
    assert outcome.artifact.manifest.labels == THEIRS
