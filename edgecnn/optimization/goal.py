"""The goal of an optimization: limits and objective."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, isfinite
from statistics import NormalDist

from edgecnn.errors import InputError
from edgecnn.results.accuracy_drop import SURE, points_of
from edgecnn.selection import Constraints, Objective
from edgecnn.statistics.proportions import two_digits_up

CONFIDENCE = SURE
"""Of the one-sided bound on what is lost."""
OBJECTIVES = ("latency", "size", "memory")


@dataclass(frozen=True)
class Goal:
    """At most so many points of accuracy lost, milliseconds, and bytes; None is no limit."""

    max_drop: float = 1.0
    max_latency_ms: float | None = None
    max_memory_bytes: float | None = None
    max_size_bytes: float | None = None
    objective: Objective = "latency"

    def __post_init__(self) -> None:
        if not 0 < self.max_drop <= 100:
            raise InputError(
                f"--max-drop takes points of accuracy above 0, received: {self.max_drop:g}",
                hint="no number of samples shows that nothing at all is lost; 1 is usual",
            )
        if self.objective not in OBJECTIVES:
            raise InputError(
                f"--objective is one of {', '.join(OBJECTIVES)}, received: {self.objective}"
            )

    @property
    def limits(self) -> Constraints:
        """For choosing among measurements."""
        return Constraints(
            drop=self.max_drop,
            p50=self.max_latency_ms,
            peak_rss=self.max_memory_bytes,
            size=self.max_size_bytes,
            objective=self.objective,
        )

    @property
    def words(self) -> str:
        """`at most 1 point lost, 10 ms, 50 MB of memory, a file of 2 MB`."""
        said = [f"at most {points_of(self.max_drop)} lost"]
        if self.max_latency_ms is not None:
            said.append(f"{self.max_latency_ms:g} ms")
        if self.max_memory_bytes is not None:
            said.append(f"{self.max_memory_bytes / 1e6:g} MB of memory")
        if self.max_size_bytes is not None:
            said.append(f"a file of {self.max_size_bytes / 1e6:g} MB")
        return ", ".join(said)

    @property
    def fewest_samples(self) -> int:
        """So many samples show the budget when no answer at all changes (Tango's bound)."""
        z = NormalDist().inv_cdf(CONFIDENCE)
        share = self.max_drop / 100
        return two_digits_up(ceil(z * z * (1 / share - 1)))


_DURATIONS = {"": 1.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "s": 1e3}
_SIZES = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20}
_AMOUNT = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ%]*)")


def parse_latency(text: str, option: str = "--max-latency") -> float:
    """Milliseconds of "10ms", "0.5 s" or "10". Raises InputError."""
    return _amount(text, _DURATIONS, option, "a time such as 10ms")


def parse_size(text: str, option: str) -> float:
    """Bytes of "50MB", "200 kB" or "2MiB". Raises InputError."""
    return _amount(text, _SIZES, option, "a size such as 50MB")


def parse_points(text: str, option: str = "--max-drop") -> float:
    """Percentage points of "1", "0.5" or "0.5%". Raises InputError."""
    return _amount(text, {"": 1.0, "%": 1.0}, option, "percentage points such as 1 or 0.5%")


def _amount(text: str, units: dict[str, float], option: str, expected: str) -> float:
    match = _AMOUNT.fullmatch(str(text).strip())
    unit = match.group(2).lower() if match else ""
    if match is None or unit not in units:
        raise InputError(f"{option} takes {expected}, received: {text!r}")
    value = float(match.group(1)) * units[unit]
    if not (isfinite(value) and value > 0):
        raise InputError(f"{option} takes {expected} above 0, received: {text!r}")
    return value
