"""Health check of a machine: run on a board before its first row and between jobs.

python -m edgecnn.benchmarking.machine.health                everything
python -m edgecnn.benchmarking.machine.health --no-runtimes  without asking the runtimes
python -m edgecnn.benchmarking.machine.health --brief        the same, with a shorter computation
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.benchmarking.machine import observation, throttle
from edgecnn.benchmarking.machine.description import capture
from edgecnn.benchmarking.machine.doctor import diagnose
from edgecnn.errors import EdgeCNNError
from edgecnn.files import write_text_atomically
from edgecnn.system.places import data_home

KERNEL_SECS = 2.0
BRIEF_KERNEL_SECS = 0.5
SIDE = 60
"""Of the matrices; OpenBLAS shares products of more than 64³ multiplications among threads."""
SLOW = 1.3
"""A moment in which the computation takes so much longer than at its best is a disturbed one."""


def examine(*, brief: bool = False, runtimes: bool = True) -> dict[str, Any]:
    """Runtimes, free memory and disk, temperature, throttling, and a steady computation or not."""
    import psutil

    before = throttle.read(observation.ROOT)
    times = _kernel_times(BRIEF_KERNEL_SECS if brief else KERNEL_SECS)
    clock_mhz = observation.frequency_mhz()  # right after it worked: not that of a resting core
    throttled, by = throttle.throttled(before, throttle.read(observation.ROOT))
    best = min(times)
    environment, zone = capture(), observation.heat_limit_c()
    return {
        "machine": {
            name: environment.machine.get(name)
            for name in ("board", "cpu_model", "architecture", "logical_cores", "governor")
        },
        "kernel": environment.system.get("kernel"),
        "python": environment.system.get("python"),
        "free_memory_bytes": int(psutil.virtual_memory().available),
        "free_disk_bytes": shutil.disk_usage(_existing(data_home())).free,
        "temperature_c": observation.temperature_c(),
        "zone_c": zone and zone[0],
        "zone_limit_c": zone and zone[1],
        "clock_mhz": clock_mhz,
        "clock_max_mhz": observation.highest_frequency_mhz(),
        "throttled": throttled,
        "throttled_by": by,
        "kernel_ms": 1e3 * best,
        "kernel_best_ms": _best_ever(str(observation.governor()), 1e3 * best),
        "disturbed": sum(each > SLOW * best for each in times) / len(times),
        "spread": statistics.median(times) / best - 1,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "runtimes": _runtimes() if runtimes else {},
    }


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def _best_ever(governor: str, now_ms: float) -> float:
    """The best time of the computation that this machine ever had with this governor, in
    milliseconds; this one from now on, where it is better.
    """
    path = data_home() / "reference_kernel.json"
    times: dict[str, float] = {}
    with suppress(OSError, ValueError, AttributeError):
        times = {
            name: float(value)
            for name, value in json.loads(path.read_text(encoding="utf-8")).items()
            if float(value) > 0
        }
    best = min(now_ms, times.get(governor, now_ms))
    if times.get(governor) != best:
        with suppress(EdgeCNNError, OSError):  # a full disk is a trouble of its own
            write_text_atomically(path, json.dumps({**times, governor: best}))
    return best


def _runtimes() -> dict[str, dict[str, Any]]:
    return {
        name: {"available": state.available, "reason": state.reason, "version": state.version}
        for name, state in diagnose().items()
    }


def _kernel_times(secs: float) -> list[float]:
    """Seconds of a short matrix product, again and again for that long.

    So small that BLAS takes one thread: several wait for each other on a machine that is busy, and
    a product took 340 times its best.
    """
    factor = np.full((SIDE, SIDE), 0.5, np.float32)
    times: list[float] = []
    end = time.perf_counter() + secs
    while (start := time.perf_counter()) < end or len(times) < 10:
        factor @ factor
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    import sys

    from edgecnn.system.privacy import switch_off

    switch_off()
    brief = "--brief" in sys.argv
    answer = examine(brief=brief, runtimes=not brief and "--no-runtimes" not in sys.argv)
    sys.stdout.write("\nedgecnn-board: " + json.dumps(answer) + "\n")
