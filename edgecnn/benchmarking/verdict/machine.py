"""Reasons for noise: other processes, neighbors, the hypervisor, the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgecnn.results import Measurement, Run

OTHER_CPUS = 0.25
STEAL_FRACTION = 0.02
FREQUENCY_DRIFT = 0.05
CLOCK_DRIFT = 0.10
NOTABLE_SHARE = 0.05
"""Share of the time with a neighbor that is mentioned."""


def disturbance_reasons(runs: tuple[Run, ...], threads: int, sessions: int = 1) -> Iterator[str]:
    """Interference by other processes, or oversubscription by the row's own threads."""
    steals = [run.machine.get("steal_fraction") or 0.0 for run in runs]
    if max(steals) > STEAL_FRACTION:
        where = _affected(steals, STEAL_FRACTION)
        yield (
            f"the hypervisor took {max(steals):.1%} of a processor away (steal){where}: "
            "use a quieter host and measure again"
        )
    asked = threads * sessions
    cores = min((run.machine.get("usable_cpus") or asked for run in runs), default=asked)
    if asked > cores:
        limit = f"--threads {cores}" if sessions == 1 else f"--threads × --streams of {cores}"
        yield (
            f"oversubscribed: {asked} threads on {cores} "
            f"{'processor' if cores == 1 else 'processors'}; use at most {limit}"
        )
    others = [run.machine.get("other_cpus") or 0.0 for run in runs]
    if max(others) > OTHER_CPUS:
        busy = f"{max(others):.1f} processors busy{_affected(others, OTHER_CPUS)}"
        yield f"other processes kept {busy}: stop them and measure again"
    moves = [_change(run.machine.get("frequency_mhz")) for run in runs]
    if max(moves) > FREQUENCY_DRIFT:
        where = _affected(moves, FREQUENCY_DRIFT)
        yield (
            f"the clock frequency moved by {max(moves):.0%}{where}: "
            "set the governor to performance and measure again"
        )
    slowed = _clock_drift(runs)
    if abs(slowed) > CLOCK_DRIFT:
        way = "slower" if slowed > 0 else "faster"
        yield (
            f"the processor became {abs(slowed):.0%} {way} from the first to the last round "
            "(heat, or its clock; no neighbor was seen): let it settle and measure again"
        )
    governors = {each for run in runs for each in run.machine.get("governor") or () if each}
    if len(governors) > 1:
        yield (
            f"the governor changed while measuring ({', '.join(sorted(governors))}): "
            "keep one, performance at best, and measure again"
        )


def _clock_drift(runs: Sequence[Run]) -> float:
    """How much longer the undisturbed reference takes in the last third of the rounds than in the
    first. A neighbor comes and goes within a round; heat and the clock stay.
    """
    medians = [
        float(np.median([ns for block in quiet for ns in block.reference_ns]))
        for run in sorted(runs, key=lambda run: run.round)
        if (quiet := [block for block in run.blocks if block.quiet and block.reference_ns])
    ]
    third = len(medians) // 3
    if not third:
        return 0.0
    return float(np.median(medians[-third:]) / np.median(medians[:third]) - 1)


def _affected(readings: Sequence[float], limit: float) -> str:
    """` in 3 of 8 processes`; empty for a single process."""
    if len(readings) == 1:
        return ""
    count = sum(reading > limit for reading in readings)
    return f" in {count} of {len(readings)} processes"


def _change(readings: Any) -> float:
    if not readings or None in readings or min(readings) <= 0:
        return 0.0
    return float(max(readings) / min(readings) - 1)


def shared_core(measurement: Measurement) -> Iterator[str]:
    """How often a neighbor shared the core, and the latency then."""
    contention = measurement.contention
    if contention is not None and NOTABLE_SHARE < contention.share < 1:
        yield (
            f"a neighbor shared the core in {contention.share:.0%} of the time: "
            f"{contention.p50_ms:.3g} ms then"
        )
