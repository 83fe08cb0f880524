"""Memory leaks after the timed loop.

The resident set is read between batches of inferences, never inside a timed one. Growth over
1,000 inferences is distinguished from an allocator that still settles by its second half.
"""

from __future__ import annotations

import time
from typing import Any

from edgecnn.benchmarking.machine.observation import resident_bytes
from edgecnn.benchmarking.machine.power import gpu_memory_bytes, graphics
from edgecnn.benchmarking.passes import Context
from edgecnn.results.runs import Effective

INFERENCES = 1_000
BUDGET_SECS = 5.0
READINGS = 20


def find(context: Context) -> dict[str, Any]:
    """Resident bytes over further inferences.

    `growth_bytes` is from the first to the last reading, `growth_second_half_bytes` over the
    second half alone: a leak grows there too. `gpu_bytes` is this process's memory on an
    NVIDIA GPU, None on the processor and, with `gpu_reason`, where nothing reports it.
    """
    invocations = context.invocations
    readings = [resident_bytes()["now"]]
    started = time.monotonic()
    deadline = started + context.seconds(BUDGET_SECS)
    invocations[0]()
    pace = max(time.monotonic() - started, 1e-9)
    batch = int(min(max(BUDGET_SECS / READINGS / pace, 1), INFERENCES // READINGS))
    inferences = 1
    while inferences < INFERENCES and time.monotonic() < deadline:
        invocations[inferences % len(invocations)]()
        inferences += 1
        if inferences % batch == 0:
            readings.append(resident_bytes()["now"])
    readings.append(resident_bytes()["now"])
    return {
        "inferences": inferences,
        "rss_bytes": readings,
        "growth_bytes": readings[-1] - readings[0],
        "growth_second_half_bytes": readings[-1] - readings[len(readings) // 2],
        **_gpu(context.device, context.session.effective),
    }


def _gpu(device: str, effective: Effective) -> dict[str, Any]:
    gpu = graphics(device, effective)
    if gpu is None:
        return {"gpu_bytes": None}
    answer = (
        gpu_memory_bytes(device) if gpu.nvidia else f"no interface reports the memory of {gpu.name}"
    )
    if isinstance(answer, str):
        return {"gpu_bytes": None, "gpu_reason": answer}
    return {"gpu_bytes": answer}
