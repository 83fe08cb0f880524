"""Scenarios, pinned cores and LoadGen, each in a real worker process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.loop.scenarios import SCENARIOS, resolve
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Placement, RuntimeOptions

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.0, min_runs=64, max_secs=0.3, max_runs=200,
    warmup_min_secs=0.0, warmup_max_secs=0.1,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("misbehaving_runtime")


def job(
    path: Path, scenario: str = "single_stream", streams: int | None = None, **more
) -> WorkerJob:
    asked = {"passes": more.pop("passes", ()), "placement": Placement(more.pop("affinity", ()))}
    load = resolve(scenario, streams, **more)
    return WorkerJob("misbehaving", "cpu", path=str(path), load=load, protocol=BRIEF, **asked)


@pytest.mark.parametrize(("scenario", "streams"), [("multi_stream", 4), ("offline", 2)])
def test_a_worker_makes_the_scenario(model_file: Path, scenario: str, streams: int):
    outcome = run_worker(job(model_file, scenario, streams))
    assert outcome.status == "ok", outcome.error
    assert outcome.run.queries["samples"] >= 64
    assert outcome.run.queries["elapsed_ns"] > 0


def test_a_worker_serves_as_many_arrivals_as_the_budget_affords(model_file: Path):
    """A p99 needs 662; 500 a second come to far fewer in the brief budget."""
    affordable = int(500 * BRIEF.of_one_process().max_secs)
    outcome = run_worker(job(model_file, "server", 2, target_qps=500.0, latency_bound_ms=10_000.0))
    assert outcome.status == "ok", outcome.error
    assert len(outcome.run.samples_ns) == outcome.run.queries["samples"] == affordable
    assert outcome.run.queries["valid"] is False


def test_a_pinned_worker_tells_its_core_and_its_threads(model_file: Path):
    core = max(os.sched_getaffinity(0))
    outcome = run_worker(job(model_file, affinity=(core,)))
    assert outcome.status == "ok", outcome.error
    assert outcome.run.machine["cores"] == [core]
    assert outcome.run.machine["threads_seen"] >= 1
    assert outcome.run.machine["threads_elsewhere"] == 0


def test_a_worker_that_is_not_pinned_keeps_all_cores(model_file: Path):
    outcome = run_worker(job(model_file))
    assert outcome.run.machine["cores"] == sorted(os.sched_getaffinity(0))


def test_a_core_that_is_not_there_fails_the_row_in_words(model_file: Path):
    outcome = run_worker(job(model_file, affinity=(4_096,)))
    assert outcome.status == "failed"
    assert "--affinity 4096: this process may use cores" in outcome.error


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_loadgen_drives_the_session_and_its_summary_is_kept(model_file: Path, scenario: str):
    pytest.importorskip("mlperf_loadgen", reason="pip install 'edgecnn[loadgen]'")
    more = {"target_qps": 200.0, "latency_bound_ms": 10_000.0} if scenario == "server" else {}
    outcome = run_worker(job(model_file, scenario, passes=("loadgen",), **more))
    assert outcome.status == "ok", outcome.error
    found = outcome.run.passes["loadgen"]
    assert found["scenario"].casefold() == scenario.replace("_", "")
    assert found["numbers"]["Mean latency (ns)"] >= 200_000  # each inference sleeps 0.2 ms
    assert "Result is" in found["summary"]
    assert found["note"].endswith("not an MLPerf result")


def test_loadgen_refuses_batches_in_words(model_file: Path):
    pytest.importorskip("mlperf_loadgen", reason="pip install 'edgecnn[loadgen]'")
    outcome = run_worker(
        WorkerJob(
            "misbehaving",
            "cpu",
            path=str(model_file),
            options=RuntimeOptions(batch=4),
            load=resolve("offline"),
            protocol=BRIEF,
            passes=("loadgen",),
        )
    )
    assert "single samples" in outcome.run.passes["loadgen"]["error"]
