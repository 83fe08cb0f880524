"""Detect calls that return before the result is available.

A GPU queue takes work and returns at once: a 214 ms inference then "takes" 0.25 ms. Here one
inference is followed by reading its outputs, and the outputs are read again after a pause: time
spent in reading, or values that still change, give an asynchronous return away.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edgecnn.benchmarking.passes import Context

TRIALS = 5
LEAST_PAUSE_SECS = 0.01
LONGEST_PAUSE_SECS = 0.5
"""A call that returns before its work says nothing of how long the work takes: on devices other
than the processor one pause is this long."""


def find(context: Context) -> dict[str, Any]:
    """Median nanoseconds of the call and of reading its outputs, and whether they changed later."""
    calls, reads = [], []
    changed = False
    for trial in range(TRIALS):
        if trial and time.monotonic() > context.deadline:
            break
        invoke = context.invocations[trial % len(context.invocations)]
        start = time.perf_counter_ns()
        outputs = invoke()
        returned = time.perf_counter_ns()
        early = [np.array(output) for output in outputs]
        read = time.perf_counter_ns()
        thorough = context.device != "cpu" and (trial == 0 or trial == TRIALS - 1)
        least = LONGEST_PAUSE_SECS if thorough else LEAST_PAUSE_SECS
        time.sleep(min(max(5 * (read - start) / 1e9, least), LONGEST_PAUSE_SECS))
        late = [np.array(output) for output in outputs]
        changed = changed or not all(map(_same, early, late))
        calls.append(returned - start)
        reads.append(read - returned)
    return {
        "call_ns": int(np.median(calls)),
        "read_ns": int(np.median(reads)),
        "output_bytes": sum(output.nbytes for output in early),
        "changed_later": changed,
    }


def _same(early: Any, late: Any) -> bool:
    return bool(np.array_equal(early, late, equal_nan=early.dtype.kind == "f"))
