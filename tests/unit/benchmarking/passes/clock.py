"""A clock that only moves when something is said to take time."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """Stands in for the module `time`; on a busy machine real sleeps take what they want."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.on_time_passing: Callable[[float], None] = lambda secs: None

    def sleep(self, secs: float) -> None:
        self.now += secs
        self.on_time_passing(secs)

    def monotonic(self) -> float:
        return self.now

    def perf_counter_ns(self) -> int:
        return round(self.now * 1e9)
