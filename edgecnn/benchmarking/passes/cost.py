"""Cost of an inference from the model file: the numbers behind a roofline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgecnn.benchmarking.cost import cost_of
from edgecnn.benchmarking.passes import Context


def find(context: Context) -> dict[str, Any]:
    """Cost of a sample, and `bytes_moved` in one inference of this row's batch."""
    cost = cost_of(context.path)
    return {**asdict(cost), "bytes_moved": cost.bytes_moved(context.options.batch)}
