"""Cost, energy, operators and sustained load, found by a real worker and kept in the results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Results

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.0, min_runs=64, max_secs=0.5, max_runs=100,
    warmup_min_secs=0.0, warmup_max_secs=0.1, sustained_secs=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    helper = onnx.helper
    weights = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3, 34, 34])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 16, 32, 32])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path_factory.mktemp("passes") / "one.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


def test_every_pass_leaves_its_answer_in_the_file(model: Path, tmp_path: Path):
    out = tmp_path / "results.json"
    benchmark(
        [model],
        ["onnxruntime:cpu"],
        batches=[2],
        protocol=BRIEF,
        passes=("cost", "energy", "ops"),
        out=out,
    )
    (row,) = Results.load(out).measurements
    assert row.status == "ok", row.error
    activations = 4 * (3 * 34 * 34 + 16 * 32 * 32)
    assert row.cost == {
        "macs": 32 * 32 * 16 * 27,
        "parameters": 16 * 27,
        "weight_bytes": 4 * 16 * 27,
        "activation_bytes": activations,
        "bytes_moved": 4 * 16 * 27 + 2 * activations,
    }
    energy, ops, sustained = (
        row.pass_result(name) or {} for name in ("energy", "ops", "sustained")
    )
    assert (energy["joules_per_inference"] is None) == bool(energy["reason"])  # one of the two
    assert "Conv" in {operator["type"] for operator in ops["operators"]}
    assert ops["unprofiled_ns"] > 0
    medians = [bucket["p50_ms"] for bucket in sustained["buckets"]]
    assert len(medians) >= 2  # a busy machine makes fewer, longer ones
    last_fifth = medians[-max(1, len(medians) // 5) :]
    assert sustained["steady_over_initial"] == pytest.approx(np.median(last_fifth) / medians[0])
    assert {"throttled", "throttled_by"} <= row.runs[0].machine.keys()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from edgecnn.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_line_asks_for_them(model: Path, tmp_path: Path):
    out = tmp_path / "results.json"
    done = run(
        *("benchmark", str(model), "--runtimes", "onnxruntime:cpu", "--out", str(out)),
        *("--profile", "quick", "--max-secs", "0.3", "--min-runs", "64"),
        *("--sustained", "0.5s", "--profile-ops"),
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(out.read_text())["measurements"]
    found = row["runs"][0]["passes"]
    assert found["ops"]["operators"]
    assert found["sustained"]["secs"] > 0.4
    assert row["cost"]["macs"] == 32 * 32 * 16 * 27


def test_a_time_that_is_none_is_refused_before_anything_is_measured(model: Path, tmp_path: Path):
    out = tmp_path / "results.json"
    done = run("benchmark", str(model), "--out", str(out), "--sustained", "long")
    assert done.returncode == 2
    assert "expected a duration" in done.stderr
    assert not out.exists()
