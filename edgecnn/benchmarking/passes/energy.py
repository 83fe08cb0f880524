"""Joules of an inference: measured, with what the machine takes when idle subtracted.

The model stays loaded while the idle power is taken, so that what is subtracted is what would
flow anyway. Where no sensor reports it, `joules_per_inference` is None and `reason` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from edgecnn.benchmarking.machine import power
from edgecnn.benchmarking.passes import Context

SETTLE_SECS = 0.2
"""Threads that spin for a while after an inference come to rest in this time."""
IDLE_SECS = 1.0
ACTIVE_SECS = 2.0
LEAST_SECS = 0.8
STEP_SECS = 0.05


def find(context: Context) -> dict[str, Any]:
    """Energy of one inference (one batch), by domain and in total.

    `method` and `domain` name the sensors, `idle_watts` and `active_watts` what they reported
    before and during `inferences`.
    """
    sensors = power.find(context.device, context.session.effective)
    if not sensors.meters:
        return {"joules_per_inference": None, "reason": sensors.reason}
    secs = context.seconds(SETTLE_SECS + IDLE_SECS + ACTIVE_SECS)
    if secs < LEAST_SECS:
        return {
            "joules_per_inference": None,
            "reason": "the row's budget was spent: raise --max-secs",
        }
    time.sleep(SETTLE_SECS)
    idle_part = (secs - SETTLE_SECS) * IDLE_SECS / (IDLE_SECS + ACTIVE_SECS)
    try:
        idle_secs, idle, _ = _metered(sensors.meters, idle_part, _rest)
        active_secs, active, inferences = _metered(
            sensors.meters, secs - SETTLE_SECS - idle_part, _infer(context.invocations)
        )
    except (OSError, ValueError) as error:
        return {"joules_per_inference": None, "reason": f"a sensor fell silent: {error}"}
    net = [used - rest / idle_secs * active_secs for used, rest in zip(active, idle, strict=True)]
    total = sum(net)
    above = total > 0
    return {
        "joules_per_inference": total / inferences if above else None,
        "reason": None if above else "an inference takes no more power than the idle machine",
        "method": " + ".join(dict.fromkeys(meter.method for meter in sensors.meters)),
        "domain": " + ".join(meter.domain for meter in sensors.meters),
        "inferences": inferences,
        "idle_secs": idle_secs,
        "active_secs": active_secs,
        "idle_watts": sum(idle) / idle_secs,
        "active_watts": sum(active) / active_secs,
        "domains": [
            {
                "method": meter.method,
                "domain": meter.domain,
                "idle_watts": rest / idle_secs,
                "active_watts": used / active_secs,
                "joules_per_inference": own / inferences,
            }
            for meter, rest, used, own in zip(sensors.meters, idle, active, net, strict=True)
        ],
    }


def _metered(
    meters: Sequence[power.Meter], secs: float, step: Callable[[], int]
) -> tuple[float, list[float], int]:
    """(seconds, joules of each meter, steps done) while `step` is repeated."""
    for meter in meters:
        meter.start()
    start = time.monotonic()
    steps = 0
    while True:
        steps += step()
        joules = [meter.advance() for meter in meters]
        elapsed = time.monotonic() - start
        if elapsed >= secs:
            return elapsed, joules, steps


def _rest() -> int:
    time.sleep(STEP_SECS)
    return 0


def _infer(invocations: Sequence[Callable[[], Any]]) -> Callable[[], int]:
    """Inferences for a short while; the sensors are read in between."""

    def step() -> int:
        inferences = 0
        deadline = time.monotonic() + STEP_SECS
        while time.monotonic() < deadline:
            invocations[inferences % len(invocations)]()
            inferences += 1
        return inferences

    return step
