"""Whether this machine is fit to measure: asked of a board before its first row.

python -m edgecnn.benchmarking.health            everything
python -m edgecnn.benchmarking.health --brief    without asking the runtimes
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.benchmarking import observation, throttle
from edgecnn.benchmarking.doctor import diagnose
from edgecnn.benchmarking.machine import capture

KERNEL_SECS = 2.0
BRIEF_KERNEL_SECS = 1.0
SLOW = 1.3
"""A moment in which the computation takes so much longer than at its best is a disturbed one."""


def examine(*, brief: bool = False) -> dict[str, Any]:
    """Runtimes, free memory and disk, temperature, throttling, and a steady computation or not."""
    import psutil

    before = throttle.read(observation.ROOT)
    times = _kernel_times(BRIEF_KERNEL_SECS if brief else KERNEL_SECS)
    throttled, by = throttle.throttled(before, throttle.read(observation.ROOT))
    best = min(times)
    environment = capture()
    return {
        "machine": {
            name: environment.machine.get(name)
            for name in ("board", "cpu_model", "architecture", "logical_cores", "governor")
        },
        "kernel": environment.system.get("kernel"),
        "python": environment.system.get("python"),
        "free_memory_bytes": int(psutil.virtual_memory().available),
        "free_disk_bytes": shutil.disk_usage(Path.home()).free,
        "temperature_c": observation.temperature_c(),
        "throttled": throttled,
        "throttled_by": by,
        "kernel_ms": 1e3 * best,
        "disturbed": sum(each > SLOW * best for each in times) / len(times),
        "spread": statistics.median(times) / best - 1,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "runtimes": {} if brief else _runtimes(),
    }


def _runtimes() -> dict[str, dict[str, Any]]:
    return {
        name: {"available": state.available, "reason": state.reason, "version": state.version}
        for name, state in diagnose().items()
    }


def _kernel_times(secs: float) -> list[float]:
    """Seconds of a short matrix product, again and again for that long."""
    factor = np.full((96, 96), 0.5, np.float32)
    times: list[float] = []
    end = time.perf_counter() + secs
    while (start := time.perf_counter()) < end or len(times) < 10:
        factor @ factor
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    import sys

    from edgecnn.privacy import switch_off

    switch_off()
    sys.stdout.write("\nedgecnn-board: " + json.dumps(examine(brief="--brief" in sys.argv)) + "\n")
