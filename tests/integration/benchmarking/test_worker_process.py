"""Whatever becomes of a worker is an outcome: measured, refused, crashed, hung, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn.benchmarking.accuracy import open_outputs
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.protocol import Protocol

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.0, min_runs=64, max_secs=1.0, max_runs=200,
    warmup_min_secs=0.0, warmup_max_secs=0.2,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("misbehaving_runtime")


def job(device: str, path: Path, **more) -> WorkerJob:
    return WorkerJob("misbehaving", device, path=str(path), protocol=BRIEF, **more)


def test_a_healthy_worker_leaves_its_raw_samples(model_file: Path):
    outcome = run_worker(job("cpu", model_file))
    assert outcome.status == "ok"
    assert 64 <= len(outcome.run.samples_ns) <= 200
    assert min(outcome.run.samples_ns) >= 200_000  # it sleeps 0.2 ms
    assert len(outcome.run.warmup_ns) >= BRIEF.warmup_min_runs
    assert outcome.run.rss_bytes["peak"] >= outcome.run.rss_bytes["at_start"] > 0


def test_the_first_inference_is_kept_apart(model_file: Path):
    run = run_worker(job("slow-first", model_file)).run
    assert run.first_inference_ns > 50_000_000
    assert np.median(run.samples_ns) < 50_000_000


@pytest.mark.parametrize(
    ("device", "status", "word"),
    [
        ("crash", "crashed", "SIGABRT"),
        ("crash-late", "crashed", "SIGABRT"),
        ("kill", "crashed", "SIGKILL"),
        ("exit", "crashed", "exit code 7 and no result: the runtime gave up"),
        ("fallback", "unsupported", "would run on the CPU"),
    ],
)
def test_a_fault_is_told_with_its_reason(model_file: Path, device: str, status: str, word: str):
    outcome = run_worker(job(device, model_file))
    assert outcome.status == status
    assert word in outcome.error
    assert outcome.run is None


def test_a_hanging_worker_is_stopped(model_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgecnn.benchmarking.executor.process.LOAD_TIMEOUT_SECS", 2.0)
    outcome = run_worker(job("hang", model_file))
    assert outcome.status == "timeout"
    assert "no answer for 2 s while loading" in outcome.error


def test_what_a_runtime_prints_does_not_disturb_the_events(model_file: Path):
    assert run_worker(job("chatty", model_file)).status == "ok"


def test_outputs_of_all_samples_are_written(model_file: Path, tmp_path: Path):
    samples = np.arange(40, dtype=np.float32).reshape(10, 4)
    np.save(tmp_path / "samples.npy", samples)
    outcome = run_worker(
        job(
            "cpu",
            model_file,
            samples=str(tmp_path / "samples.npy"),
            outputs=str(tmp_path / "o"),
        )
    )
    assert outcome.outputs_written
    np.testing.assert_allclose(np.load(tmp_path / "o" / "0.npy")[:, 0], samples.sum(axis=1))


def test_a_model_that_finds_another_number_of_boxes_in_each_image_is_measured(tmp_path: Path):
    """NMS inside of the file: the rows of its output follow the input."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Constant", [], ["least"], value_float=0.5),
        helper.make_node("ReduceMax", ["rows"], ["score"], axes=[0, 2], keepdims=0),
        helper.make_node("Greater", ["score", "least"], ["good"]),
        helper.make_node("Compress", ["rows", "good"], ["boxes"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("rows", kind, [1, 5, 6])]
    outputs = [helper.make_tensor_value_info("boxes", kind, [1, "found", 6])]
    graph = helper.make_graph(nodes, "nms", inputs, outputs)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    onnx.save(model, tmp_path / "nms.onnx")
    found = [1, 4, 0, 2]
    samples = np.zeros((4, 5, 6), np.float32)
    for sample, count in zip(samples, found, strict=True):
        sample[:count] = 0.9
    np.save(tmp_path / "samples.npy", samples)
    paths = {"samples": str(tmp_path / "samples.npy"), "outputs": str(tmp_path / "o")}
    path = str(tmp_path / "nms.onnx")
    outcome = run_worker(WorkerJob("onnxruntime", "cpu", path=path, protocol=BRIEF, **paths))
    assert outcome.status == "ok", outcome.error
    (boxes,) = open_outputs(tmp_path / "o")
    assert boxes.shape == (4, 4, 6)
    assert [(image > 0).any(axis=1).sum() for image in boxes] == found


def test_samples_of_another_shape_are_refused_by_name(model_file: Path, tmp_path: Path):
    np.save(tmp_path / "samples.npy", np.zeros((10, 7), np.float32))
    outcome = run_worker(job("cpu", model_file, samples=str(tmp_path / "samples.npy")))
    assert outcome.status == "failed"
    assert "'input' takes (?, 4), received: (1, 7)" in outcome.error


@pytest.mark.parametrize("death", [signal.SIGINT, signal.SIGKILL])
def test_a_worker_dies_with_its_parent(model_file: Path, death: signal.Signals):
    code = f"""
import sys
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.executor.job import WorkerJob
run_worker(WorkerJob("misbehaving", "hang", path={str(model_file)!r}))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    worker = wait_for_child(parent.pid)
    parent.send_signal(death)
    parent.wait(timeout=120)
    wait_until_gone(worker)


def wait_until_gone(pid: int) -> None:
    for _ in range(2_400):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent")


def wait_for_child(pid: int) -> int:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(2_400):
        children = listing.read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.05)
    raise AssertionError("the parent started no worker")


def test_the_parent_s_environment_is_hidden_from_an_isolated_python(tmp_path: Path):
    """A worker sees edgecnn and its own Python's packages, not the parent's."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True
    )
    python = tmp_path / "bare" / "bin" / "python"
    outcome = run_worker(WorkerJob("litert", "cpu"), python)
    assert outcome.status == "crashed"
    assert "No module named 'numpy'" in outcome.error
    assert os.environ.get("VIRTUAL_ENV", "") != str(tmp_path / "bare")
