"""Read the report of a board's health check (`benchmarking.machine.health`), which is untrusted.

Standard library only: it runs on the board, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from edgecnn.text import shortened

FEWEST_MEMORY_BYTES = 100 << 20
FEWEST_DISK_BYTES = 200 << 20
HOTTEST_C = 85.0
"""Where the board does not say at which temperature it holds itself back: a Raspberry Pi's."""
MOST_SLOWDOWN = 2.0
"""Of the reference kernel's best time against the best that the board ever had with this governor.
A neighbor on a shared core costs up to 1.8; a clock at half or less costs 2 and more."""


def troubles(health: Mapping[str, Any]) -> Iterator[str]:
    """Why a board must not measure now; raises KeyError, TypeError or ValueError for nonsense."""
    if health.get("throttled"):
        by = ", ".join(map(str, health.get("throttled_by") or ())) or "something"
        yield f"it is throttled by {shortened(by, 80)}"
    if _number(health["free_memory_bytes"]) < FEWEST_MEMORY_BYTES:
        yield f"only {gigabytes(health['free_memory_bytes'])} of memory are free"
    if _number(health["free_disk_bytes"]) < FEWEST_DISK_BYTES:
        yield f"only {gigabytes(health['free_disk_bytes'])} of disk are free"
    temperature, limit = health.get("zone_c"), health.get("zone_limit_c")
    if temperature is None or limit is None:
        temperature, limit = health.get("temperature_c"), HOTTEST_C
    if temperature is not None and _number(temperature) >= _number(limit):
        yield f"it is at {_number(temperature):.0f} °C, its limit is {_number(limit):.0f} °C"
    now, best = health.get("kernel_ms"), health.get("kernel_best_ms")
    if now is not None and best is not None and _number(best) > 0:
        ratio = _number(now) / _number(best)
        if ratio > MOST_SLOWDOWN:
            yield f"a short computation takes {ratio:.1f} times its best there{_clock(health)}"


def gigabytes(count: Any) -> str:
    """As in "4.0 GB". Raises TypeError or ValueError for what is not a number."""
    return f"{_number(count) / 1e9:.1f} GB"


def _clock(health: Mapping[str, Any]) -> str:
    now, most = health.get("clock_mhz"), health.get("clock_max_mhz")
    if now is None or most is None:
        return ""
    return f" (clock {_number(now):.0f} of {_number(most):.0f} MHz)"


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"no number: {value}")
    return number
