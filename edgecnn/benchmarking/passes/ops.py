"""Where the time of an inference goes, operator by operator.

The profile is made in a second session of the same runtime: a profiler costs time, and the
one that was measured has none.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from edgecnn.benchmarking.passes import Context
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes.base import Runtime

INFERENCES = 50
BUDGET_SECS = 10.0
OPERATORS = 200
"""More than these are summed up as one: the file is for reading."""


def find(context: Context) -> dict[str, Any]:
    """The operators, costliest first, and their sum.

    `median_ns` is what one execution takes, `share` the part of all operators' time. With a
    profiler the whole takes longer than the measured latency; `total_ns` says how long. Fewer
    than 50 inferences are profiled of a model that would take more than ten seconds.
    """
    runtime: type[Runtime] = RUNTIMES.load(context.runtime)
    count = _affordable(context)
    operators = runtime.profile(
        context.path, context.device, context.options, context.tensors, count
    )
    kept, rest = operators[:OPERATORS], operators[OPERATORS:]
    return {
        "inferences": count,
        "operators": [asdict(operator) for operator in kept],
        "not_listed": {"count": len(rest), "share": sum(operator.share for operator in rest)},
        "total_ns": sum(operator.median_ns for operator in operators),
    }


def _affordable(context: Context) -> int:
    start = time.monotonic()
    context.invocations[0]()
    elapsed = max(time.monotonic() - start, 1e-9)
    return max(3, min(INFERENCES, int(BUDGET_SECS / elapsed)))
