"""What a plan says before a file is made: two equal plans are one conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from edgecnn.conversion.calibration import RandomSamples
from edgecnn.conversion.exporters import exporter
from edgecnn.conversion.plan import planned_manifest
from edgecnn.conversion.sources.base import SourceModel
from edgecnn.conversion.targets import Target
from edgecnn.manifest import Manifest, TensorSpec


class OnnxFile:
    """What a plan asks of the source of an ONNX file."""

    name, sha256 = "net", "0" * 64

    def converter(self, file_format: str) -> tuple[str, tuple[str, ...]]:
        way = exporter("onnx", file_format)
        return way.tool, way.packages

    def record(self) -> dict[str, Any]:
        return {"format": "onnx"}

    def carries(self, target: Target) -> bool:
        return False


def planned(file_format: str) -> Manifest:
    source = cast("SourceModel", OnnxFile())
    samples = RandomSamples((TensorSpec("x", (None, 4), "float32"),))
    return planned_manifest(Target(file_format, "float32"), source, Manifest(), None, samples)


def test_the_version_of_a_converter_with_its_own_environment_is_in_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    assert planned("tflite").versions["onnx2tf"] == "not installed"
    packages = tmp_path / "envs" / "onnx2tf" / "lib" / "python3.12" / "site-packages"
    (packages / "onnx2tf-2.6.1.dist-info").mkdir(parents=True)
    (packages / "onnx2tf_extras-9.dist-info").mkdir()
    assert planned("tflite").versions["onnx2tf"] == "2.6.1"
    assert "onnx2tf" not in planned("onnx").versions
