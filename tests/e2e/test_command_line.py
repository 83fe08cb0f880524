"""The command line as users meet it: real commands in real processes, exit codes and words."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess

import pytest

from tests.command_line import EDGECNN, QUICK, edgecnn, here


def test_benchmarking_a_tflite_never_imports_tensorflow(tmp_path, tflite):
    """A stand-in tensorflow on the path would leave a mark in any process that imports it."""
    mark = tmp_path / "imported"
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(mark)!r}, 'w').close()\nraise ImportError\n"
        )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = edgecnn(
        "benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", tmp_path / "r.json",
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


def test_a_foreign_model_without_a_manifest_gives_a_table(tmp_path, lenet_artifacts):
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(foreign_onnx())
    done = edgecnn(
        "benchmark", foreign, "--runtimes", "onnxruntime:cpu", *QUICK, "--out", tmp_path / "r.json"
    )
    assert done.returncode == 0, done.stderr
    assert "foreign" in done.stdout
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["status"] == "ok"
    assert row["latency_ms"]["p50"] > 0


def foreign_onnx() -> bytes:
    """A channels-first convolution as other tools export it."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "weights"], ["features"]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        "foreign",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def test_an_uninstalled_runtime_names_the_extra_that_brings_it(tmp_path, tflite):
    """The package is hidden from the worker, as in an environment without it."""
    hidden = tmp_path / "hidden"
    (hidden / "ai_edge_litert").mkdir(parents=True)
    (hidden / "ai_edge_litert" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'ai_edge_litert'\", name='ai_edge_litert')\n"
    )
    done = edgecnn(
        "benchmark", tflite, "--runtimes", "litert:cpu", *QUICK, "--out", tmp_path / "r.json",
        env={**os.environ, "PYTHONPATH": str(hidden)},
    )  # fmt: skip
    (row,) = json.loads((tmp_path / "r.json").read_text())["measurements"]
    assert row["status"] == "unsupported"
    assert row["hint"] == "pip install 'edgecnn[litert]'"
    assert "edgecnn[litert]" in done.stdout


def test_verify_passes_and_fails_the_gate(trained_lenet, lenet_artifacts):
    artifact = lenet_artifacts["tflite:static_int8"].path
    typed = ("verify", artifact, "--parent", trained_lenet.path, "--data", "digits", "--max-drop")
    passed = here(*typed, "2")
    assert passed.returncode == 0, passed.stderr
    assert re.match(r"pass +lenet5_static_int8\.tflite +\d", passed.stdout)
    failed = here(*typed, "-50")
    assert failed.returncode == 1
    assert "the gate failed" in failed.stderr


def test_progress_is_a_bar_on_a_terminal(tmp_path, tflite):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*EDGECNN, "benchmark", str(tflite), "--runtimes", "litert:cpu", *QUICK,
         "--out", str(tmp_path / "r.json")],
        stdout=subprocess.DEVNULL, stderr=follower, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 4096):
            shown += piece
    except OSError:  # the other end is closed
        pass
    assert process.wait(300) == 0
    assert "━".encode() in shown
    assert b"benchmark" in shown


def test_completion_offers_verbs_and_names():
    environment = {**os.environ, "_EDGECNN_COMPLETE": "bash_complete"}

    def offered(words: str, index: int) -> str:
        return edgecnn(env={**environment, "COMP_WORDS": words, "COMP_CWORD": str(index)}).stdout

    assert "benchmark" in offered("edgecnn ", 1)
    assert "lenet5" in offered("edgecnn train --model ", 3)
    assert "onnxruntime:cuda" in offered("edgecnn benchmark x --runtimes onnx", 4)
    assert "tflite:static_int8" in offered("edgecnn convert x.keras --to tflite:s", 4)


def test_doctor_tells_every_runtime_and_for_the_rest_why_not():
    done = edgecnn("doctor", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["runtimes"]["litert:cpu"]["available"]
    missing = [state for state in report["runtimes"].values() if not state["available"]]
    assert all(state["reason"] and state["hint"] for state in missing)


@pytest.mark.usefixtures("misbehaving_runtime")
@pytest.mark.parametrize(
    ("devices", "code"),
    [("absent", 3), ("fallback", 1), ("cpu,misbehaving:crash", 0)],
)
def test_nothing_measured_is_no_success(tmp_path, model_file, devices, code):
    out = tmp_path / "r.json"
    done = edgecnn(
        "benchmark", model_file, "--runtimes", f"misbehaving:{devices}", *QUICK, "--out", out
    )
    assert done.returncode == code, done.stderr
    assert ("nothing was measured (" in done.stderr) is (code != 0)
    assert "Traceback" not in done.stderr
