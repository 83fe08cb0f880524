"""Every verb that loads data says what it understood, and refuses odd data with --strict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn.cli import invoke

Image = pytest.importorskip("PIL.Image", reason="images are read with Pillow")

DETECTOR = Path(edgecnn.__file__).parent / "assets" / "stop_sign_nano_static_int8.tflite"


@pytest.fixture
def pets(tmp_path):
    for label in ("cats", "dogs"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng([number, len(label), label == "cats"])
            image = Image.fromarray(pixels.integers(0, 256, (8, 8, 3), np.uint8))
            image.save(tmp_path / "pets" / label / f"{number}.png")
    (tmp_path / "pets" / "cats" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    return f"folder:{tmp_path / 'pets'}"


def test_the_line_says_splits_classes_and_what_was_left_out(pets, capsys):
    assert invoke(["data", "inspect", pets]) == 0

    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("data "))
    assert line == (
        "data pets: train 8, validation 2, test 2; classes cats, dogs; 1 file left out: "
        "cats/a.heic: HEIC is not read; convert it to JPEG or PNG"
    )


def test_inspect_is_strict_about_what_was_left_out(pets, capsys):
    assert invoke(["data", "inspect", pets, "--strict"]) == 1
    assert "1 left out" in capsys.readouterr().err


def test_an_inspection_as_json_is_json_alone(pets, capsys):
    assert invoke(["data", "inspect", pets, "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["skipped"] == ["cats/a.heic: HEIC is not read; convert it to JPEG or PNG"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--model", "lenet5", "--out", "m.keras", "--data"],
        ["convert", "d.tflite", "--to", "onnx:float32", "--out", "artifacts", "--calibration"],
        ["verify", "d.tflite", "--data"],
        ["benchmark", "d.tflite", "--out", "r.json", "--data"],
        ["explain", "d.tflite", "--out", "x.html", "--data"],
        ["run", "--out", "everything", "--data"],
        ["data", "pack", "--out", "packed"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_verb_refuses_odd_data_with_strict(pets, arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DETECTOR, "d.tflite")

    assert invoke([*arguments, pets, "--strict"]) == 2

    assert "cats/a.heic: HEIC is not read" in capsys.readouterr().err
