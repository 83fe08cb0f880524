"""A mistyped word, a damaged file, a zip bomb: one clear line and an exit code."""

from __future__ import annotations

import json

import pytest

from tests.command_line import QUICK, edgecnn, here


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trian"], 2, ["unknown command 'trian'", "did you mean 'train'?"]),
        (["train", "--model", "lenet6", "--data", "digits", "--out", "x.keras"], 2,
         ["unknown model 'lenet6'", "did you mean 'lenet5'?"]),
        (["train", "--model", "lenet5", "--data", "digts", "--out", "x.keras"], 2,
         ["unknown data source 'digts'", "did you mean 'digits'?"]),
        (["train", "--model", "lenet5", "--data", "digits", "--out", "x.h5"], 2, [".keras"]),
        (["run", "--to", "tflite:int8", "--out", "x"], 2,
         ["unknown target 'tflite:int8'", "tflite:static_int8"]),
        (["run", "--runtimes", "litert:tpu", "--out", "x"], 2, ["litert:tpu", "litert:cpu"]),
        (["benchmark", "none.tflite", "--out", "r.json"], 2, ["no such file: none.tflite"]),
        (["benchmark", "x.tflite", "--out", "r.csv"], 2, ["takes a .json file"]),
        (["benchmark", "--out", "r.json"], 2, ["Missing argument"]),
        (["report", "none.json", "--out", "r.html"], 2, ["no such file: none.json"]),
        (["convert", "none.keras", "--to", "all", "--out", "x"], 2, ["none.keras"]),
        (["verify", "none.tflite"], 2, ["no such file: none.tflite"]),
        (["env", "create", "tflite"], 2, ["unknown environment", "tflite-runtime"]),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else None,
)  # fmt: skip
def test_a_mistake_gets_a_clear_line_and_exit_code(tmp_path, arguments, code, words):
    done = edgecnn(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


DAMAGES = [
    pytest.param(damage, ending, marks=pytest.mark.slow if long else ())
    for damage in ("truncated", "empty", "renamed")
    for ending in ("tflite", "onnx", "keras")
    for long in (ending == "keras" and damage != "truncated",)  # its worker loads TensorFlow
]


@pytest.mark.parametrize(("damage", "ending"), DAMAGES)
def test_a_damaged_model_file_is_told_in_a_line(
    tmp_path, lenet_artifacts, trained_lenet, ending, damage
):
    whole = {
        "tflite": lenet_artifacts["tflite:float32"].path,
        "onnx": lenet_artifacts["onnx:float32"].path,
        "keras": trained_lenet.path,
    }
    content = whole[ending].read_bytes()
    other = whole["onnx" if ending == "tflite" else "tflite"].read_bytes()
    damaged = {"truncated": content[: len(content) // 2], "empty": b"", "renamed": other}[damage]
    path = tmp_path / f"model.{ending}"
    path.write_bytes(damaged)
    runtime = {"tflite": "litert:cpu", "onnx": "onnxruntime:cpu", "keras": "keras:cpu"}[ending]
    out = tmp_path / "r.json"
    done = edgecnn("benchmark", path, "--runtimes", runtime, *QUICK, "--out", out)
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert path.name in done.stderr
    else:
        (row,) = json.loads(out.read_text())["measurements"]
        assert row["status"] == "failed"
        assert path.name in row["error"]


def test_a_zip_bomb_as_keras_is_refused(tmp_path, keras_bomb):
    done = here("convert", keras_bomb, "--to", "tflite:float32", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{keras_bomb.name}: a zip bomb" in done.stderr
