"""The machine's limits are measured once, and only a quiet measurement is remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecnn.benchmarking.machine import limit_kernels as kernels
from edgecnn.benchmarking.machine import limits as machine_limits
from edgecnn.results import Environment


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A home of its own; the kernels are replaced by numbers, their calls are listed."""
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    asked: list[int] = []

    def run(threads: int) -> dict[str, Any]:
        asked.append(threads)
        return {"float32_gflops": 100.0 * threads, "bandwidth_gb_s": 20.0, "other_cpus": 0.0}

    monkeypatch.setattr(machine_limits, "_run", run)
    return asked


def test_what_was_measured_is_remembered(runs: list[int]):
    assert machine_limits.known([1]) is None
    first = machine_limits.measured([2, 1, 1])
    assert list(first["threads"]) == ["1", "2"]
    assert machine_limits.measured([1, 2]) == machine_limits.known([1, 2]) == first
    assert runs == [1, 2]
    machine_limits.measured([1], again=True)
    assert runs == [1, 2, 1]


def test_another_thread_count_is_measured_beside_those_that_are_known(runs: list[int]):
    machine_limits.measured([1])
    machine_limits.measured([1, 4])
    assert runs == [1, 4]
    assert machine_limits.known([1, 4]) is not None


def test_measuring_tells_where_it_is_and_remembering_is_silent(runs: list[int]):
    told: list[tuple[str, int, int, str]] = []

    def progress(stage: str, done: int, total: int, message: str = "") -> None:
        told.append((stage, done, total, message))

    machine_limits.add_to(Environment(), [1, 2], measure=True, progress=progress)
    assert told == [
        ("limits", 0, 2, "of this machine with 1 thread, once"),
        ("limits", 1, 2, "of this machine with 2 threads, once"),
        ("limits", 2, 2, ""),
    ]
    told.clear()
    machine_limits.add_to(Environment(), [1, 2], measure=True, progress=progress)
    assert told == []


def test_other_libraries_are_another_machine(runs: list[int], monkeypatch: pytest.MonkeyPatch):
    machine_limits.measured([1])
    monkeypatch.setattr(machine_limits, "_identity", lambda: {"packages": {"numpy": "99"}})
    assert machine_limits.known([1]) is None


def test_a_busy_machine_is_not_remembered(runs: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        machine_limits, "_run", lambda threads: {"other_cpus": 1.5, "float32_gflops": 9.0}
    )
    assert machine_limits.measured([1])["threads"]["1"]["float32_gflops"] == 9.0
    assert machine_limits.known([1]) is None


def test_a_damaged_memory_is_measured_anew(runs: list[int], tmp_path: Path):
    machine_limits.measured([1])
    (file,) = (tmp_path / "limits").iterdir()
    file.write_text("{")
    machine_limits.measured([1])
    assert runs == [1, 1]


def test_an_environment_has_what_is_remembered_and_no_more_unless_asked(runs: list[int]):
    plain = Environment(machine={"cpu_model": "C"})
    assert machine_limits.add_to(plain, [1], measure=False) == plain
    measured = machine_limits.add_to(plain, [1], measure=True)
    assert measured.machine["limits"]["threads"]["1"]["float32_gflops"] == 100.0
    assert machine_limits.add_to(plain, [1], measure=False) == measured
    assert machine_limits.add_to(plain, [], measure=True) == plain


def test_kernels_that_fail_leave_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    monkeypatch.setattr(machine_limits.sys, "executable", "/bin/false")
    found = machine_limits.add_to(Environment(), [1], measure=True).machine["limits"]
    assert "could not be measured" in found["error"]


def test_streams_of_memory_have_a_bandwidth():
    rate, how = kernels.bandwidth_gb_s(2, array_bytes=4 << 20)
    assert 0.1 < rate < 10_000
    assert "STREAM" in how


def test_the_best_repetition_counts(monkeypatch: pytest.MonkeyPatch):
    # Warm-up, then (start, stop) of three repetitions of 5, 1 and 3 seconds.
    moments = iter([0.0, 0.0, 5.0, 5.0, 6.0, 6.0, 9.0, 9.0])
    monkeypatch.setattr(kernels.time, "perf_counter", lambda: next(moments))
    assert kernels.best_seconds(lambda: None, secs=1.0) == 1.0
