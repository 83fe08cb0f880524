"""Bundles of models that others made: open sizes, recordings, detectors, a fixed batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.optimization.bundles.bundle import write_bundle
from tests.integration.optimization.bundle_process import run


def written(path: Path, *nodes: object, shape: list, outputs: dict, **constants: object) -> Path:
    """A hand-made .onnx file from "input" to outputs (name → shape)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes), "made", [info("input", TensorProto.FLOAT, shape)],
        [info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_outputs_of_open_size_and_single_values_are_recorded_and_compared(tmp_path: Path):
    from onnx import helper

    model = written(
        tmp_path / "found.onnx",
        helper.make_node("Greater", ["input", "half"], ["over"]),
        helper.make_node("NonZero", ["over"], ["places"]),
        helper.make_node("Cast", ["places"], ["found"], to=1),
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        shape=[1, 9], outputs={"found": [2, "count"], "sum": []}, half=np.float32(0.5),
    )  # fmt: skip
    out = write_bundle(model, tmp_path / "out")
    done = run(out, "--self-test", name="found")
    assert (done.returncode, done.stderr) == (0, "")
    np.save(tmp_path / "one.npy", np.full((1, 9), 0.75, np.float32))
    done = run(out, str(tmp_path / "one.npy"), "--tensors", "--json", name="found")
    assert json.loads(done.stdout)["outputs"][1] == pytest.approx(6.75), done.stderr


def test_sizes_that_a_file_leaves_open_are_given(tmp_path: Path, capsys):
    from onnx import helper

    from edgecnn.cli import invoke

    model = written(
        tmp_path / "mean.onnx",
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["answer"]),
        shape=["batch", 3, "height", "width"], outputs={"answer": ["batch", 3]},
    )  # fmt: skip
    out = tmp_path / "out"
    given = ["--shape", "1x3x12x10", "--preprocessing", "0..1", "--out", str(out)]
    assert invoke(["bundle", str(model), *given]) == 0, capsys.readouterr().err
    assert run(out, "--self-test", name="mean").returncode == 0
    with np.load(out / "mean" / "self_test.npz") as recorded:
        assert recorded["input"].shape[1:] == (12, 10, 3)


def test_a_recording_of_another_rate_is_refused(tmp_path: Path):
    import wave

    from onnx import helper

    from edgecnn.manifest import Manifest, write_manifest
    from edgecnn.preprocessing import SpectrogramPreprocessing

    model = written(
        tmp_path / "hears.onnx",
        helper.make_node("ReduceMean", ["input", "axes"], ["answer"], keepdims=0),
        shape=[1, 32, 40], outputs={"answer": [1, 40]}, axes=np.asarray([1], np.int64),
    )  # fmt: skip
    write_manifest(model, Manifest(preprocessing=SpectrogramPreprocessing(32, rate=8000)))
    out = write_bundle(model, tmp_path / "out")
    told = {}
    for rate in (8000, 44100):
        path = tmp_path / f"{rate}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(np.arange(-4000, 4000, dtype=np.int16).tobytes())
        told[rate] = run(out, str(path), name="hears")
    assert told[8000].returncode == 0, told[8000].stderr
    assert told[44100].returncode == 2
    assert "44100.wav has 44100 Hz, the model takes recordings of 8000 Hz" in told[44100].stderr


def test_a_detector_of_another_maker_finds_what_it_finds_here(tmp_path: Path):
    from PIL import Image

    from tests.unit.detection.small_detectors import GREEN, RED, draw, write_detector

    model = write_detector(tmp_path / "squares.onnx", "yolox")
    about = ModelOptions("yolox", ("stop sign", "person"))
    out = write_bundle(model, tmp_path / "out", about=about)
    Image.fromarray(draw([(1, 1, RED), (2, 3, GREEN)])).save(tmp_path / "scene.png")
    done = run(out, str(tmp_path / "scene.png"), "--json", name="squares")
    assert done.returncode == 0, done.stderr
    found = {box["label"]: box["xyxy"] for box in json.loads(done.stdout)["boxes"]}
    assert found["stop sign"] == pytest.approx([32, 32, 64, 64], abs=0.2)
    assert found["person"] == pytest.approx([96, 64, 128, 96], abs=0.2)


def test_the_shipped_detector_is_read_by_its_own_head(tmp_path: Path):
    from PIL import Image

    from edgecnn.vision.detectors.detector import ASSETS

    out = write_bundle(ASSETS / "stop_sign_nano_static_int8.tflite", tmp_path / "out")
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "empty.png")
    done = run(out, str(tmp_path / "empty.png"), name="stop_sign_nano_static_int8")
    assert (done.returncode, "nothing found" in done.stdout) == (0, True), done.stderr


def test_a_model_of_a_fixed_batch_is_refused_with_its_size(tmp_path: Path):
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "four",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])],
    )
    path = tmp_path / "four.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    with pytest.raises(InputError, match="takes 4 samples at once"):
        write_bundle(path, tmp_path / "shipped")
