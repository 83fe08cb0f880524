"""Effects of a container's CPU quota on a row, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.results import Run

OFTEN = 0.05
"""Of the periods: above this the number is the quota's, below it a disturbance."""


def stopped_by_quota(runs: Sequence[Run], *, often: bool) -> Iterator[str]:
    """The reason when the quota stopped a run in more (`often`) or fewer than 5% of the periods."""
    readings = [run.machine.get("quota") or {} for run in runs]
    stopped = sum(each.get("throttled_periods", 0) for each in readings)
    periods = sum(each.get("periods", 0) for each in readings)
    if stopped == 0 or (stopped > OFTEN * periods) is not often:
        return
    limits = [limit for run in runs if (limit := run.machine.get("cpu_quota"))]
    limit = f" ({min(limits):g} processors)" if limits else ""
    yield (
        f"the CPU quota of this container{limit} stopped the process in {stopped} of {periods} "
        "periods while measuring: raise the quota, or measure outside of the container"
    )
