"""Roofline model (Williams, Waterman & Patterson 2009).

A computation with few operations for each byte is held back by memory, one with many by
arithmetic; the roof is the smaller of the two limits, both measured on the same machine with
the same number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, TypeGuard

Bound = Literal["compute", "memory"]

_RATES: Mapping[str, str] = {
    "float32": "float32_gflops",
    "bfloat16": "bfloat16_gflops",
    "int8": "int8_gops",
    "dynamic_int8": "int8_gops",
}
"""The measured rate that holds for an executed precision (`Effective.precision`)."""


@dataclass(frozen=True)
class Limit:
    """What the machine can do at most: operations a second and bytes a second."""

    operations_per_s: float
    bytes_per_s: float


@dataclass(frozen=True)
class Roofline:
    """Where an inference stands.

    `intensity` is operations for each byte moved, `share` the part of the roof that is
    reached there. Above 1 is possible: caches and fused operators move fewer bytes than were
    counted, Winograd computes fewer products.
    """

    share: float
    bound: Bound
    intensity: float
    operations_per_s: float
    roof_operations_per_s: float


def limit_of(limits: Any, threads: int, precision: str) -> Limit | None:
    """The limit in `Environment.machine["limits"]`, None where it was not measured.

    `limits` is {"threads": {"1": {"float32_gflops": …, "bandwidth_gb_s": …}}}.
    """
    by_threads = limits.get("threads") if isinstance(limits, Mapping) else None
    measured = by_threads.get(str(threads)) if isinstance(by_threads, Mapping) else None
    if not isinstance(measured, Mapping):
        return None
    rate, bandwidth = measured.get(_RATES.get(precision, "")), measured.get("bandwidth_gb_s")
    if not (_is_positive(rate) and _is_positive(bandwidth)):
        return None
    return Limit(rate * 1e9, bandwidth * 1e9)


def locate(
    *, macs: float, bytes_moved: float, batch: int, seconds: float, limit: Limit
) -> Roofline | None:
    """Where an inference of `batch` samples with `macs` each stands; None without any work."""
    operations = 2 * macs * batch
    if operations <= 0 or bytes_moved <= 0 or seconds <= 0:
        return None
    intensity = operations / bytes_moved
    memory_roof = intensity * limit.bytes_per_s
    roof = min(limit.operations_per_s, memory_roof)
    reached = operations / seconds
    return Roofline(
        share=reached / roof,
        bound="memory" if memory_roof < limit.operations_per_s else "compute",
        intensity=intensity,
        operations_per_s=reached,
        roof_operations_per_s=roof,
    )


def _is_positive(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and 0 < value < inf
