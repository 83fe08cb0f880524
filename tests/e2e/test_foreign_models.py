"""Files that others made, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.command_line import here
from tests.integration.conversion import foreign

pillow = pytest.importorskip("PIL.Image", reason="pip install pillow")


def test_an_onnx_file_with_open_sizes_goes_the_whole_way(tmp_path):
    model = foreign.network(tmp_path / "net.onnx", batch="n", size="side")
    asked = here("convert", model, "--to", "onnx:float16", "--out", tmp_path / "art")
    assert asked.returncode == 2
    assert "--shape images=" in asked.stderr
    shape = ("--shape", "images=1x3x16x16")
    made = here("convert", model, "--to", "onnx:float16", *shape, "--out", tmp_path / "art")
    assert made.returncode == 0, made.stderr
    checked = here("verify", tmp_path / "art" / "net_float16.onnx")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "pass" in checked.stdout
    image = tmp_path / "noise.png"
    pillow.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(image)
    outs = [tmp_path / "page.html", tmp_path / "page.json"]
    shown = here(
        "explain", model, image, *shape, *(part for out in outs for part in ("--out", out))
    )
    assert shown.returncode == 0, shown.stderr
    page = outs[0].read_text("utf-8")
    for section in ("occlusion", "layers", "missing"):
        assert f'<section id="{section}"' in page
    layers = json.loads(outs[1].read_text())["layers"]
    assert [layer["operator"] for layer in layers][:2] == ["Conv", "Relu"]
