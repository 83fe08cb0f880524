"""Verdict on a row: VALID, NOISY or INVALID, with the reasons in words.

INVALID means that the row does not measure what its name says; NOISY that it does, but that the
machine was too noisy to measure how fast it is to the promised precision. A VALID row may carry
reasons too: things to know before relying on it. Every reason says what to do.

One file a family of reasons; here they become a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgecnn.benchmarking.loop.scenarios import sessions_needed
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.verdict import (
    accuracy,
    execution,
    latency_bound,
    machine,
    memory,
    outputs,
    precision,
    quota,
    synchrony,
    throttling,
)
from edgecnn.benchmarking.verdict.outputs import OutputHealth
from edgecnn.results import Measurement, Verdict

__all__ = ["OutputHealth", "judge"]


def judge(
    measurement: Measurement, protocol: Protocol, health: OutputHealth | None = None
) -> Measurement:
    """The measurement with its verdict and reasons; rows that were not measured get none."""
    if measurement.status != "ok" or not measurement.runs or measurement.latency is None:
        return replace(measurement, verdict=None, reasons=())
    invalid = tuple(_invalid(measurement, health))
    noisy = tuple(_noisy(measurement, protocol))
    undecided = tuple(outputs.undecided(measurement, health)) if health else ()
    verdict: Verdict = "INVALID" if invalid else "NOISY" if noisy else "VALID"
    reasons = (*invalid, *noisy, *undecided, *_notable(measurement))
    return replace(measurement, verdict=verdict, reasons=reasons)


def _invalid(measurement: Measurement, health: OutputHealth | None) -> Iterator[str]:
    """Why the row does not measure what its name says."""
    yield from execution.execution_mismatches(measurement)
    yield from synchrony.asynchronous(measurement)
    if health:
        yield from outputs.unhealthy(measurement, health)
    yield from accuracy.inaccurate(measurement)
    yield from throttling.throttled(measurement.runs)
    yield from quota.stopped_by_quota(measurement.runs, often=True)
    yield from latency_bound.overrun(measurement)


def _noisy(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    """Why the number is not known to the promised precision."""
    yield from latency_bound.seldom_overrun(measurement, protocol)
    yield from quota.stopped_by_quota(measurement.runs, often=False)
    yield from precision.uncertain(measurement, protocol)
    yield from machine.disturbance_reasons(
        measurement.runs, measurement.options.threads, sessions_needed(measurement.load)
    )


def _notable(measurement: Measurement) -> Iterator[str]:
    """What does not spoil the number but must be reported with it."""
    yield from accuracy.unmeasured(measurement)
    yield from machine.shared_core(measurement)
    yield from execution.assumptions(measurement)
    yield from execution.overflow_reasons(measurement)
    yield from execution.partly_accelerated(measurement)
    yield from accuracy.proving_little(measurement)
    yield from memory.leaking(measurement)
