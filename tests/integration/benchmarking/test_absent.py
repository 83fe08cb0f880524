"""A device that this machine lacks is looked for once in a session, not once a model."""

from __future__ import annotations

from edgecnn.benchmarking import benchmark
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.inputs import retry
from edgecnn.benchmarking.protocol import resolve


def test_a_missing_device_is_looked_for_once(lenet_artifacts, monkeypatch):
    asked = []

    def counted(job, python=None, **more):
        asked.append(f"{job.runtime}:{job.device}")
        return run_worker(job, python, **more)

    monkeypatch.setattr(retry, "run_worker", counted)
    results = benchmark.benchmark(
        [lenet_artifacts["onnx:float32"].path],
        ["onnxruntime:cuda", "onnxruntime:cpu"],
        threads=(1, 2),
        protocol=resolve("quick", processes=1, max_secs=0.4),
        passes=(),
    )
    absent = [row for row in results.measurements if row.configuration == "onnxruntime:cuda"]
    if any(row.status == "ok" for row in absent):
        return  # a machine with CUDA
    assert asked.count("onnxruntime:cuda") == 1
    assert asked.count("onnxruntime:cpu") == 2
    assert [row.status for row in absent] == ["unsupported", "unsupported"]
    assert absent[0].error == absent[1].error
