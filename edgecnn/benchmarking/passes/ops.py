"""Time of an inference by operator.

The profile is made in a second session of the same runtime: a profiler costs time, and the
one that was measured has none.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from edgecnn.benchmarking.loop.timed_loop import time_chunk
from edgecnn.benchmarking.passes import Context
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes.base import Runtime

INFERENCES = 50
UNPROFILED = 20
BUDGET_SECS = 10.0
OPERATORS = 200
"""More than these are summed up as one: the file is for reading."""


def find(context: Context) -> dict[str, Any]:
    """The operators, costliest first, and their sum.

    `median_ns` is what one execution takes, `share` the part of all operators' time.
    `total_ns` is the sum over operators, `unprofiled_ns` the median of a few inferences in
    the measured session: far apart, the profiler itself or what lies between the operators
    matters. Fewer than 50 inferences are profiled of a model that would take more than ten
    seconds.
    """
    runtime: type[Runtime] = RUNTIMES.load(context.runtime)
    unprofiled_ns = _median_ns(context)
    count = max(3, min(INFERENCES, int(BUDGET_SECS * 1e9 / max(unprofiled_ns, 1))))
    operators = runtime.profile(
        context.path, context.device, context.options, context.tensors, count
    )
    kept, rest = operators[:OPERATORS], operators[OPERATORS:]
    return {
        "inferences": count,
        "operators": [asdict(operator) for operator in kept],
        "not_listed": {"count": len(rest), "share": sum(operator.share for operator in rest)},
        "total_ns": sum(operator.median_ns for operator in operators),
        "unprofiled_ns": unprofiled_ns,
    }


def _median_ns(context: Context) -> int:
    buffer = np.zeros(UNPROFILED, np.int64)
    time_chunk(context.invocations, buffer, 0, 1)
    count = max(1, min(UNPROFILED, int(1e9 / max(buffer[0], 1))))
    time_chunk(context.invocations, buffer, 0, count)
    return int(np.median(buffer[:count]))
