"""The live demo with the detectors inside the package, on the video beside the project."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.cli import invoke
from edgecnn.system.places import ASSETS
from edgecnn.vision import load_detector
from edgecnn.vision.detectors.detector import shipped_models
from edgecnn.vision.evidence.first_layer import read_first_layer
from edgecnn.vision.pipeline import Pipeline

pytestmark = pytest.mark.skipif(not shipped_models(), reason="no detector in edgecnn/assets")
MODELS = shipped_models() or ("none",)


@pytest.fixture
def recorded(shared_data):
    return shared_data / "video" / "stock_stop_sign_zoom.mp4"


@pytest.mark.parametrize("name", MODELS)
def test_one_large_sign_is_followed_from_beginning_to_end(recorded, tmp_path, capsys, name):
    events = tmp_path / "out.jsonl"
    arguments = ["--headless", "--model", name, "--events", str(events)]
    assert invoke(["detect", str(recorded), *arguments]) == 0
    assert "241 frames" in capsys.readouterr().out
    first, *_, last = [json.loads(line) for line in events.read_text().splitlines()]
    assert first["seconds"] < 0.5
    assert last["event"] == "leave"
    assert last["seconds"] > 9.0


@pytest.mark.parametrize("name", MODELS)
def test_the_heat_map_fires_on_the_sign(recorded, name):
    with Pipeline(str(recorded), load_detector(name), explain=True) as pipeline:
        result = next(iter(pipeline))
    heat = result.evidence.heat
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    x, y = x / heat.shape[1] * 640, y / heat.shape[0] * 360
    assert 260 < x < 390  # where the sign stands in the first frame
    assert 60 < y < 210


@pytest.mark.parametrize("name", MODELS)
def test_quantized_and_float_files_tell_the_same_first_filters(name):
    kernels = []
    for path in sorted(ASSETS.glob(f"{name}_*")):
        if path.suffix in (".tflite", ".onnx"):
            kernel, stride = read_first_layer(path)
            assert stride == 2
            kernels.append(kernel.reshape(-1, kernel.shape[3]))
    assert kernels
    for other in kernels[1:]:
        for mine, theirs in zip(kernels[0].T, other.T, strict=True):
            assert np.corrcoef(mine, theirs)[0, 1] > 0.98
