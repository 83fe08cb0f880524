"""Traps of the third kind: the right thing, measured in a way that misleads."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn.analysis.compare import compare
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.loop import scenarios
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Placement, Results


def burn(stop, on_secs: float, off_secs: float) -> None:
    """Keep a processor busy, in turns of `on_secs` and `off_secs`."""
    while not stop.is_set():
        end = time.monotonic() + on_secs
        while time.monotonic() < end and not stop.is_set():
            pass
        time.sleep(off_secs)


@pytest.fixture
def hog():
    """Start processes that keep processors busy beside the measurement."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    started = []

    def start(on_secs: float = 1.0, off_secs: float = 0.0) -> None:
        process = context.Process(target=burn, args=(stop, on_secs, off_secs), daemon=True)
        process.start()
        started.append(process)

    yield start
    stop.set()
    for process in started:
        process.join(10)


def test_a_hog_beside_the_run_is_noticed(misbehave, hog):
    hog()
    row = misbehave("cpu", min_secs=1.0, max_secs=3.0)
    assert row.verdict == "NOISY"
    assert "other processes kept" in " ".join(row.reasons)


def test_a_hog_that_comes_and_goes_is_noticed(misbehave, hog):
    hog(on_secs=0.1, off_secs=0.1)
    hog(on_secs=0.07, off_secs=0.05)
    row = misbehave("cpu", min_secs=1.0, max_secs=3.0)
    assert row.verdict == "NOISY"
    assert "other processes kept" in " ".join(row.reasons)


def test_a_p99_is_not_printed_from_20_samples(misbehave):
    row = misbehave("cpu", min_runs=20, max_runs=20, min_secs=0.0)
    assert row.latency.count == 20
    assert (row.latency.p90, row.latency.p95, row.latency.p99) == (None, None, None)


def test_too_few_samples_for_the_protocol_are_told(misbehave):
    row = misbehave("cpu", min_runs=3_000, max_secs=0.2)
    assert row.verdict == "NOISY"
    assert "of 3000 samples fit into the budget" in " ".join(row.reasons)


def test_a_slow_first_inference_is_shown_and_not_mixed_in(misbehave):
    row = misbehave("slow-first")
    assert row.first_inference_ms > 50
    assert row.latency.max < row.first_inference_ms


def test_one_outlier_in_200_stays_in_the_maximum_and_is_counted(misbehave):
    row = misbehave("outliers", min_runs=1_000, max_runs=1_000, max_secs=10.0)
    samples = np.asarray(row.runs[0].samples_ns)
    assert row.latency.count == samples.size == 1_000
    assert row.latency.max > 5.0
    assert row.latency.outliers >= 4
    assert row.contention.p99_ms is not None  # of all samples, whatever a neighbor did meanwhile


def test_two_modes_are_not_hidden_behind_a_median(misbehave):
    row = misbehave("bimodal", min_runs=800, max_runs=800, max_secs=10.0)
    assert row.verdict == "NOISY"
    assert "two modes" in " ".join(row.reasons)


def test_latency_that_creeps_up_is_told(misbehave):
    row = misbehave("drift", min_runs=1_000, max_runs=1_000, max_secs=10.0)
    assert row.verdict == "NOISY"
    assert "drift" in " ".join(row.reasons)


def test_a_leak_is_told(misbehave):
    row = misbehave("leak")
    assert "the runtime leaks memory" in " ".join(row.reasons)


def test_no_leak_is_not_called_one(misbehave):
    assert "leaks" not in " ".join(misbehave("cpu").reasons)


@pytest.fixture
def overheat(tmp_path: Path, monkeypatch, misbehave):
    """Measure a runtime that changes a file of the system after 2,000 inferences, which is after
    warming up and before the end; the file lies under a root of its own.
    """
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/stat").write_text("cpu 0 0 0 0 0 0 0 0 0 0\n")
    monkeypatch.setenv("EDGECNN_SYSTEM_ROOT", str(root))

    def measured(name: str, cool: int, hot: int):
        path = root / "sys/devices/system/cpu/cpu0" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{cool}\n")
        path.with_name(f"{path.name}.later").write_text(f"{hot}\n")
        return misbehave("hot", passes=(), min_runs=4_000, max_runs=4_000, max_secs=30.0)

    return measured


def test_a_frequency_that_sinks_while_measuring_is_told(overheat):
    row = overheat("cpufreq/scaling_cur_freq", 3_000_000, 1_200_000)
    assert row.runs[0].machine["frequency_mhz"] == [3000.0, 1200.0]
    assert row.verdict == "NOISY"
    assert "frequency moved by 150%" in " ".join(row.reasons)


def test_a_processor_that_was_throttled_is_told(overheat):
    row = overheat("thermal_throttle/core_throttle_count", 7, 9)
    assert row.verdict == "INVALID"
    assert "throttled while measuring (core_throttle_count)" in row.reasons[0]


def test_a_run_that_the_containers_quota_stopped_is_reported(tmp_path, monkeypatch, misbehave):
    root = tmp_path / "root"
    group = root / "sys/fs/cgroup/pod"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/pod\n")
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu\n")
    (group / "cpu.max").write_text("20000 100000\n")
    (group / "cpu.stat").write_text("nr_periods 10\nnr_throttled 0\nthrottled_usec 0\n")
    stopped = "nr_periods 136\nnr_throttled 97\nthrottled_usec 9000000\n"
    (group / "cpu.stat.later").write_text(stopped)
    monkeypatch.setenv("EDGECNN_SYSTEM_ROOT", str(root))
    row = misbehave("hot", passes=(), min_runs=4_000, max_runs=4_000, max_secs=30.0)
    assert row.verdict == "INVALID"
    assert "CPU quota of this container (0.2 processors) stopped" in row.reasons[0]
    assert "in 97 of 126 periods" in row.reasons[0]


@pytest.fixture
def small_quota():
    """The files that put a process into a real control group with a fifth of a processor."""
    group = Path(f"/sys/fs/cgroup/cpu/edgecnn-test-{os.getpid()}")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("20000")
    except OSError as error:
        pytest.skip(f"may not make a control group here: {error}")
    yield group / "cgroup.procs"
    group.rmdir()


def test_a_real_quota_is_counted_and_reported(small_quota, misbehave):
    own = small_quota.parents[1] / "cgroup.procs"
    small_quota.write_text(str(os.getpid()))
    try:
        row = misbehave("busy", passes=(), min_secs=1.0, max_secs=3.0)
    finally:
        own.write_text(str(os.getpid()))
    assert row.runs[0].machine["cpu_quota"] == 0.2
    assert row.runs[0].machine["usable_cpus"] == 1
    assert row.verdict == "INVALID"
    assert "CPU quota of this container (0.2 processors) stopped" in " ".join(row.reasons)


def test_a_server_that_cannot_keep_its_latency_bound_has_no_rate(misbehave):
    """An inference takes 0.2 ms at least: 20,000 queries a second only pile up."""
    server = scenarios.resolve("server", target_qps=20_000.0, latency_bound_ms=2.0)
    row = misbehave("cpu", load=server, passes=(), min_runs=700, max_runs=700)
    assert row.throughput_per_s == 0
    assert row.verdict == "INVALID"
    assert "the latency bound of 2 ms does not hold: p99" in row.reasons[0]


def test_what_was_measured_differently_is_not_compared(misbehave):
    before, pinned = (
        Results((misbehave("cpu", passes=(), placement=Placement(cores)),)) for cores in ((), (0,))
    )
    two = Results((misbehave("cpu", passes=(), threads=2),))
    assert compare(before, before).changes
    for after, why in ((two, "threads: 1 before, 2 after"), (pinned, "affinity: none before, 0")):
        found = compare(before, after)
        assert not found.changes
        assert why in found.refused[0][1]


def test_an_interrupted_row_does_not_pass_for_a_whole_one(misbehave):
    from dataclasses import replace

    from edgecnn.benchmarking.protocol import PROFILES
    from edgecnn.benchmarking.verdict import judge

    row = misbehave("cpu")
    judged = judge(row, replace(PROFILES["default"], min_runs=1))
    assert "interrupted: 1 of 8 processes" in " ".join(judged.reasons)


def test_samples_of_one_process_give_no_interval(misbehave):
    """Twelve runs of one row differed by 1.8×, each with an interval of ±0.2%."""
    row = misbehave("cpu")
    assert row.latency.ci95 is None
    assert row.verdict == "NOISY"
    assert "one process cannot represent the machine" in " ".join(row.reasons)


def test_a_neighbor_on_the_core_is_seen_and_stands_beside_the_number(misbehave, hog):
    """Two hogs on two cores take turns with the row: their share is told, samples are kept."""
    for _ in range(os.cpu_count() or 1):
        hog()
    row = misbehave("busy", min_secs=1.0, max_secs=4.0)
    assert row.contention.share > 0.05
    assert "shared the core" in " ".join(row.reasons)
    assert row.latency.count == sum(len(run.samples_ns) for run in row.runs)


def test_rows_of_one_session_share_rounds(measure, misbehaving_runtime, model_file: Path):
    """Processes of a row are spread over the session, not next to each other."""
    path = model_file.with_name("results.json")
    protocol = Protocol("rounds", 3, 0.05, 3, 3.0, warmup_min_secs=0.0)
    results = benchmark(
        [model_file], ["misbehaving:cpu", "misbehaving:busy"], protocol=protocol, out=path
    )
    assert [sorted(row.round_medians_ms.keys() | {run.round for run in row.runs}) for row in
            results.measurements] == [[0, 1, 2], [0, 1, 2]]  # fmt: skip


def test_a_slow_model_keeps_the_budget_of_its_row(misbehave):
    """0.4 s an inference, five processes and all checks: nothing is begun beyond the budget."""
    row = misbehave("slow", processes=5, max_secs=4.0, min_runs=64)
    inferences = sum(1 + len(run.warmup_ns) + len(run.samples_ns) for run in row.runs)
    assert inferences * 0.4 <= 0.75 * 4.0 + 2 * 0.4
    assert "fit into the budget of 4 s: raise --max-secs to" in " ".join(row.reasons)
    assert row.pass_result("memory")["inferences"] * 0.4 <= 1.0 + 0.8


def test_the_memory_of_edgecnns_own_inputs_is_not_the_models(measure, tmp_path: Path):
    """An ELU over 25 MB: 32 inputs held twice once made it need 803 MB, a bare loop 83."""
    path = elu_file(tmp_path / "elu.onnx", (1, 1080, 1920, 3))
    told = measure(path, "onnxruntime:cpu", passes=()).memory["peak_rss_bytes"]
    bare = bare_peak_bytes(path)
    assert abs(told - bare) <= max(0.05 * bare, 3e6)


def elu_file(path: Path, shape: tuple[int, ...]) -> Path:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    values = [
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)] for name in ("x", "y")
    ]
    graph = helper.make_graph([helper.make_node("Elu", ["x"], ["y"])], "elu", *values)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
    return path


def bare_peak_bytes(path: Path) -> int:
    """VmHWM of a plain script over ONNX Runtime."""
    script = """
import sys, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
spec = session.get_inputs()[0]
made = np.full(spec.shape, 0.5, np.float32)
for _ in range(3):
    session.run(None, {spec.name: made})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return int(done.stdout.split()[-1]) * 1024
