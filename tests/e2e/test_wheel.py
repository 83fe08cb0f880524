"""What a device installs: the wheel with one extra, in an empty environment, no TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    subprocess.run([*pip, PROJECT], check=True, capture_output=True)
    (found,) = folder.glob("edgecnn-*.whl")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "target", "configuration"),
    [("litert", "tflite:float32", "litert:cpu"), ("onnx", "onnx:float32", "onnxruntime:cpu")],
)
def test_one_extra_measures_and_reports_without_tensorflow(
    tmp_path, wheel: Path, lenet_artifacts, extra: str, target: str, configuration: str
):
    home = tmp_path / "device"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    binaries = home / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(binaries / "python")]
    constraints = ["-c", str(PROJECT / "constraints.txt")]
    subprocess.run([*pip, "install", "--quiet", *constraints, f"{wheel}[{extra}]"], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments: object) -> None:
        command = [binaries / "edgecnn", *map(str, arguments)]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=300)

    model = lenet_artifacts[target].path
    run("benchmark", model, "--runtimes", configuration, "--profile", "quick", "--out", "r.json")
    run("report", "r.json", "--out", "r.html")
    run("report", "r.json", "--out", "r.md")
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["status"] == "ok", row["error"]
    assert (tmp_path / "r.html").stat().st_size > 10_000
    installed = subprocess.run(
        [*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout.lower()
    assert "edgecnn==" in installed
    assert "tensorflow" not in installed
    assert "keras" not in installed


def test_the_wheel_holds_the_package_and_what_it_reads(wheel: Path):
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    assert "edgecnn/py.typed" in names
    assert any(name.startswith("edgecnn/reporting/assets/") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "demos/")) for name in names)
