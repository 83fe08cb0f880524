"""The keys of a run's open parts (`machine`, `queries`, `passes`) that something is derived from.

A run may hold more: workers of other versions, other machines and further passes write what they
know. Of what stands here, the type is checked when a results file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class MachineDetails(TypedDict, total=False):
    """What the machine did while a process measured; None where it does not say."""

    own_cpus: float | None
    other_cpus: float | None
    usable_cpus: float | None
    steal_fraction: float | None
    throttled: bool | None
    throttled_by: list[str] | None
    frequency_mhz: list[float | None] | None
    temperature_c: list[float | None] | None
    governor: list[str | None] | None


class RateAttempt(TypedDict, total=False):
    """A rate that a server was offered, and what came of it."""

    target_qps: float
    samples: int
    elapsed_ns: int
    p99_ns: float | None
    valid: bool
    reason: str


class QueryDetails(TypedDict, total=False):
    """Scenarios with several samples under way."""

    samples: int
    elapsed_ns: int
    valid: bool
    reason: str
    target_qps: float | None
    p99_ns: float | None
    latency_bound_ms: float
    attempts: list[RateAttempt]
    """Rates that a server tried, the one that it reports last."""
    prediction_elapsed_ns: int
    """What it took to guess the first of them."""


class FailedPass(TypedDict):
    """A pass that could not be made."""

    error: str


class MemoryPass(TypedDict):
    """Resident memory over many inferences."""

    inferences: int
    growth_second_half_bytes: int


class SynchronyPass(TypedDict):
    """Whether the result was there when the call came back."""

    call_ns: int
    read_ns: int
    output_bytes: int
    changed_later: bool


class StagesPass(TypedDict, total=False):
    """Nanoseconds of each stage from the encoded sample to the class; None: not measured."""

    times_ns: Mapping[str, list[float] | None] | None


class CostPass(TypedDict, total=False):
    """What the model file says that a sample costs."""

    macs: float | None
    bytes_moved: float | None


Pass = Mapping[str, Any]


class PassDetails(TypedDict, total=False):
    """Passes by name."""

    memory: FailedPass | MemoryPass
    synchrony: FailedPass | SynchronyPass
    stages: FailedPass | StagesPass
    cost: FailedPass | CostPass
    energy: Pass
    ops: Pass
    sustained: Pass
    loadgen: Pass
