"""What a process reads about itself where the kernel reports less than Linux does."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from edgecnn.benchmarking.machine import limit_kernels as kernels
from edgecnn.benchmarking.machine import observation
from edgecnn.benchmarking.machine.observation import resident_bytes


@pytest.mark.parametrize(
    ("status", "now", "peak"),
    [
        ("VmHWM:\t 2048 kB\nVmRSS:\t 1024 kB\n", 1 << 20, 2 << 20),
        ("Name:\tpython\nVmSize:\t 4096 kB\nVmRSS:\t 1024 kB\n", 1 << 20, None),  # gVisor
        ("Name:\tpython\n", None, None),
        (None, None, None),  # macOS
    ],
)
def test_memory_that_is_not_reported_is_what_getrusage_says(
    status: str | None,
    now: int | None,
    peak: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    path = tmp_path / "status"
    if status is not None:
        path.write_text(status, encoding="ascii")
    monkeypatch.setattr(observation, "_STATUS", path)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = resident_bytes()
    assert found["now"] == now if now else found["now"] >= most
    assert found["peak"] == peak if peak else found["peak"] >= most


def test_arrays_are_bounded_by_the_memory_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    assert kernels._spare_bytes() == kernels.ARRAY_BYTES
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable: 50 kB\n")
    assert kernels._spare_bytes() == 5 * 1024
