"""Stage times of a running pipeline."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from edgecnn.statistics.samples import percentile

WINDOW = 300
"""Durations a stage that are kept: ten seconds at 30 frames/s."""
FEWEST_FOR_P50 = 3


@dataclass(frozen=True)
class StageTime:
    """Percentiles over the last frames; None where too few were seen to name one."""

    p50_ms: float | None
    p95_ms: float | None
    samples: int


class Timing:
    """Durations by stage, and the rate of results. Any thread may add, any may ask."""

    def __init__(self) -> None:
        self._durations: dict[str, deque[int]] = {}
        self._finished_ns: deque[int] = deque(maxlen=WINDOW)

    def add(self, stage: str, duration_ns: int) -> None:
        self._durations.setdefault(stage, deque(maxlen=WINDOW)).append(duration_ns)

    def finished(self, at_ns: int) -> None:
        """A result left the pipeline."""
        self._finished_ns.append(at_ns)

    def forget(self) -> None:
        """Start over: another model or runtime took over."""
        for durations in list(self._durations.values()):
            durations.clear()

    def fps(self, now_ns: int) -> float:
        """Results per second over the last two seconds."""
        recent = [at for at in tuple(self._finished_ns) if now_ns - at < 2_000_000_000]
        if len(recent) < 2:
            return 0.0
        span = recent[-1] - recent[0]
        return (len(recent) - 1) * 1e9 / span if span > 0 else 0.0

    def stages(self) -> dict[str, StageTime]:
        """Every stage that was measured, in the order in which they first were."""
        return {
            stage: _summary(list(durations))
            for stage, durations in list(self._durations.items())
            if durations
        }


def _summary(durations: list[int]) -> StageTime:
    p50 = float(np.median(durations)) / 1e6 if len(durations) >= FEWEST_FOR_P50 else None
    p95 = percentile(durations, 0.95)
    return StageTime(p50, None if p95 is None else p95 / 1e6, len(durations))
