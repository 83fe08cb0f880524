"""What travels with a model file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.manifest import (
    Manifest,
    TensorSpec,
    check_model_path,
    read_sidecar,
    sidecar_path,
    without_sidecars,
    write_manifest,
)
from edgecnn.preprocessing import ImagePreprocessing

MANIFEST = Manifest(
    task="classification",
    model="lenet5",
    recipe="static_int8",
    inputs=(TensorSpec("input", (1, 32, 32, 1), "int8", "NHWC", 0.5, -128),),
    outputs=(TensorSpec("output", (None, 10), "float32", "NC"),),
    preprocessing=ImagePreprocessing(32, 32, 1, "pad"),
    labels=("zero", "one"),
    parent_sha256="ab",
    metrics={"test_accuracy": 0.99},
)


def test_a_manifest_survives_its_dictionary():
    assert Manifest.from_dict(MANIFEST.to_dict()) == MANIFEST


def test_the_sidecar_is_read_back(model_file: Path):
    artifact = write_manifest(model_file, MANIFEST)
    assert read_sidecar(model_file, artifact.sha256) == MANIFEST


def test_a_sidecar_of_other_bytes_is_refused(model_file: Path):
    write_manifest(model_file, MANIFEST)
    with pytest.raises(InputError, match="not the file its manifest describes"):
        read_sidecar(model_file, "0" * 64)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"sha256": 1'])
def test_a_damaged_sidecar_is_a_clear_line(model_file: Path, text: str):
    sidecar_path(model_file).write_text(text)
    with pytest.raises(InputError, match=r"not an edgecnn manifest|not a complete JSON"):
        read_sidecar(model_file, "ab")


@pytest.mark.parametrize(
    "values",
    [{}, {"schema_version": 99}, {"schema_version": 1, "inputs": 3},
     {"schema_version": 1, "inputs": [{"name": "x"}]},
     {"schema_version": 1, "preprocessing": {"kind": "?"}}],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(values: dict):
    with pytest.raises(InputError):
        Manifest.from_dict(values)


def test_a_missing_file_is_a_clear_line(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        check_model_path(tmp_path / "x.tflite")


def test_an_empty_file_is_a_clear_line(tmp_path: Path):
    (tmp_path / "x.onnx").touch()
    with pytest.raises(InputError, match="empty"):
        check_model_path(tmp_path / "x.onnx")


def test_a_folder_is_no_model(tmp_path: Path):
    with pytest.raises(InputError, match="received a folder"):
        check_model_path(tmp_path)


def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path):
    (tmp_path / "x.bin").write_bytes(b"\xde\xad\xbe\xef" * 9)
    with pytest.raises(InputError, match=r"received \.bin") as failure:
        check_model_path(tmp_path / "x.bin")
    assert ".tflite" in failure.value.hint


@pytest.mark.parametrize("ending", [".tflite", ".keras"])
def test_unknown_bytes_are_shown(tmp_path: Path, ending: str):
    path = tmp_path / f"x{ending}"
    path.write_bytes(b"\xde\xad\xbe\xef" * 9)
    with pytest.raises(InputError, match=r"the file starts with de ad be ef"):
        check_model_path(path)


def test_manifests_next_to_their_models_are_left_out_of_a_glob(tmp_path):
    names = ("a.tflite", "a.tflite.manifest.json", "alone.onnx.manifest.json", ".manifest.json")
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    kept = [path.name for path in without_sidecars(paths)]
    assert kept == ["a.tflite", "alone.onnx.manifest.json", ".manifest.json"]


def test_the_weights_of_a_model_that_is_named_are_no_model_of_their_own(tmp_path: Path):
    graph = "7767517\n2 2\nInput in 0 1 x 0=4\nReLU r 1 1 x y\n"
    (tmp_path / "net.ncnn.param").write_text(graph)
    (tmp_path / "net.ncnn.bin").write_bytes(b"")
    (tmp_path / "other.bin").write_bytes(b"")
    names = ("net.ncnn.bin", "net.ncnn.param", "other.bin")
    kept = [path.name for path in without_sidecars([tmp_path / name for name in names])]
    assert kept == ["net.ncnn.param", "other.bin"]
