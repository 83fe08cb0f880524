"""Traps of the third kind: the right thing, measured in a way that misleads."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
import pytest


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
    assert "of 3000 samples fitted in the budget" in " ".join(row.reasons)


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
    assert row.latency.p99 is not None


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
    assert "the runtime leaks" in " ".join(row.reasons)


def test_no_leak_is_not_called_one(misbehave):
    assert "leaks" not in " ".join(misbehave("cpu").reasons)


@pytest.fixture
def planted_frequency(tmp_path: Path, monkeypatch):
    """A system root whose processor frequency can be set, for this process and the workers."""
    root = tmp_path / "root"
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    folder.mkdir(parents=True)
    (root / "proc").mkdir()
    (root / "proc/stat").write_text("cpu 0 0 0 0 0 0 0 0 0 0\n")
    monkeypatch.setenv("EDGECNN_SYSTEM_ROOT", str(root))

    def write(mhz: int) -> None:
        (folder / "scaling_cur_freq").write_text(f"{mhz * 1000}\n")

    write(3_000)
    return write


def test_a_frequency_that_sinks_while_measuring_is_told(misbehave, planted_frequency):
    timer = threading.Timer(1.0, planted_frequency, [1_200])
    timer.start()
    row = misbehave("cpu", min_secs=3.0, max_secs=4.0, max_runs=100_000)
    timer.join()
    assert row.runs[0].machine["frequency_mhz"] == [3000.0, 1200.0]
    assert row.verdict == "NOISY"
    assert "frequency moved by 150%" in " ".join(row.reasons)


def test_an_interrupted_row_does_not_pass_for_a_whole_one(misbehave):
    from dataclasses import replace

    from edgecnn.benchmarking.protocol import PROFILES
    from edgecnn.benchmarking.verdict import judge

    row = misbehave("cpu")
    judged = judge(row, replace(PROFILES["default"], min_runs=1))
    assert "interrupted: 1 of 5 processes" in " ".join(judged.reasons)
