"""A benchmark that measured nothing does not end as if it had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecnn.benchmarking.conclusion import require_a_measurement
from edgecnn.cli import invoke
from edgecnn.errors import EdgeCNNError
from edgecnn.results import ArtifactRecord, Cause, Measurement, Status
from tests.unit.formats.small_models import identity, node, write_onnx

RECORD = ArtifactRecord("m.onnx", "onnx", "float32", "ab", 10)


def row(status: Status, cause: Cause = "") -> Measurement:
    return Measurement(RECORD, "onnxruntime", "cpu", status=status, error="why", cause=cause)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row("ok"), row("failed", "input")], 0),
        ([row("unsupported", "missing"), row("unsupported", "missing")], 3),
        ([row("failed", "input"), row("unsupported", "missing")], 2),
        ([row("failed", "input"), row("unsupported")], 1),
        ([row("crashed"), row("unsupported", "missing")], 1),
        ([row("timeout")], 1),
    ],
)
def test_the_exit_code_says_why_nothing_was_measured(rows: list[Measurement], code: int):
    try:
        require_a_measurement(rows)
        found = 0
    except EdgeCNNError as error:
        found = error.exit_code
    assert found == code


def benchmark(path: Path, runtimes: str, out: Path) -> int:
    arguments = ["--runtimes", runtimes, "--quick", "--max-secs", "0.2", "--processes", "1"]
    return invoke(["benchmark", str(path), *arguments, "--out", str(out)])


def test_a_measured_row_is_enough(tmp_path: Path):
    path = identity(tmp_path / "m.onnx")
    assert benchmark(path, "onnxruntime:cpu,onnxruntime:cuda", tmp_path / "r.json") == 0


def test_a_missing_device_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))  # no isolated environments
    from tests.unit.formats.small_models import write_tflite

    path = write_tflite(tmp_path / "m.tflite")
    assert benchmark(path, "tflite-runtime:cpu", tmp_path / "r.json") == 3
    assert "edgecnn env create" in capsys.readouterr().err


def test_a_file_that_no_runtime_takes_is_exit_code_2(tmp_path: Path):
    nodes = [node("Add", ["x", "nobody"], ["y"])]
    path = write_onnx(tmp_path / "m.onnx", nodes)
    assert benchmark(path, "onnxruntime:cpu", tmp_path / "r.json") == 2
    (measured,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert measured["cause"] == "input"


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m.keras", "m.pt"])
def test_what_is_no_model_is_exit_code_2_before_anything_is_measured(name: str, tmp_path: Path):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert benchmark(tmp_path / name, "all", tmp_path / "r.json") == 2
    assert not (tmp_path / "r.json").exists()
