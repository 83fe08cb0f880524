"""Why a number is not known to the promised precision: too few or too wide, or a restless machine.

Every reason is a sentence that says what to do. What the row measures at all is judged in
`verdict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from edgecnn.benchmarking.protocol import CHECKS_SHARE, PROFILES, Protocol
from edgecnn.benchmarking.rounds import (
    FEWEST_PROCESSES,
    fits,
    spent_secs,
    starts_are_spent,
)
from edgecnn.results import Measurement, Run
from edgecnn.stats import Samples, drift, trend, two_modes

OTHER_CPUS = 0.25
STEAL_FRACTION = 0.02
FREQUENCY_DRIFT = 0.05
LATENCY_DRIFT = 0.05
CLOCK_DRIFT = 0.10
STEADY_TREND = 0.9
"""Modes that follow each other in time are a drift, too."""
MOST_PROCESSES = 100
"""More than these are no advice any more."""
SAMPLES_SHARE = 1 - CHECKS_SHARE


def _headline(measurement: Measurement) -> str:
    return "throughput" if measurement.load.scenario in ("offline", "server") else "median"


def uncertain(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    """The samples themselves do not settle on a number."""
    runs = measurement.runs
    short = len(runs) < protocol.processes and not starts_are_spent(runs, protocol)
    if short:
        yield _too_few_processes(measurement, protocol)
    elif len(runs) < FEWEST_PROCESSES:
        yield (
            f"{'one process describes' if len(runs) == 1 else 'two processes describe'} "
            "themselves, not the machine: there is no interval; "
            f"--processes {PROFILES['quick'].processes} gives one"
        ).replace("describes themselves", "describes itself")
    taken = sum(len(run.samples_ns) for run in runs)
    if taken < protocol.min_runs and not short:
        secs = ceil(protocol.min_runs * _secs_a_sample(measurement) / SAMPLES_SHARE) + 1
        yield (
            f"only {taken} of {protocol.min_runs} samples fit into the budget: "
            f"raise --max-secs to {secs}"
        )
    yield from _seldom_undisturbed(measurement, protocol)
    spread = measurement.relative_spread
    if spread is not None and spread > protocol.target_interval:
        yield (
            f"spread: the {_headline(measurement)} is known to ±{spread:.1%} only, "
            f"±{protocol.target_interval:.0%} was asked; "
            f"{_enough_runs(measurement, spread / protocol.target_interval)}"
        )
    if measurement.load.scenario == "server":  # waiting or not: two modes by nature
        return
    shown = [_telling(run) for run in runs]
    modes = [found for samples in shown if (found := two_modes(samples))]
    if 2 * len(modes) > len(runs):
        worst = max(modes, key=lambda found: found.high / found.low)
        yield (
            f"two modes: {1 - worst.share_high:.0%} of the samples near {worst.low / 1e6:.3g} ms, "
            f"{worst.share_high:.0%} near {worst.high / 1e6:.3g} ms; the median may lie at either"
        )
    drifts = [drift(samples) for samples in shown]
    furthest = float(np.median(drifts)) if drifts else 0.0
    steady = bool(shown) and abs(float(np.median([trend(each) for each in shown]))) > STEADY_TREND
    if (steady or not modes) and abs(furthest) > LATENCY_DRIFT:
        way = "slower" if furthest > 0 else "faster"
        yield (
            f"drift: {abs(furthest):.0%} {way} at the end of a run than at its start; "
            "let it cool down and measure again"
        )


def _telling(run: Run) -> Samples:
    """The samples whose shape says something of the model: the undisturbed ones, where they are
    the most.
    """
    samples = np.asarray(run.samples_ns, np.int64)
    return run.quiet_ns if 2 * run.quiet_ns.size >= samples.size else samples


def _too_few_processes(measurement: Measurement, protocol: Protocol) -> str:
    """A row that was interrupted, or whose inferences take too long for its budget."""
    runs = measurement.runs
    if fits(runs, protocol):
        return (
            f"interrupted: {len(runs)} of {protocol.processes} processes measured; "
            "rerun the command to complete it"
        )
    secs = ceil(spent_secs(runs) / len(runs) * protocol.processes / SAMPLES_SHARE) + 1
    return (
        f"only {len(runs)} of {protocol.processes} processes fit into the budget of "
        f"{protocol.max_secs:g} s: raise --max-secs to {secs}"
    )


def _seldom_undisturbed(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    """A neighbor was there nearly all the time: the headline rests on little, or is its doing."""
    watched = [run for run in measurement.runs if run.blocks]
    quiet = [run for run in watched if run.quiet_ns.size]
    if not watched:
        return
    if not quiet:
        yield (
            "a neighbor shared the core all the time: this is the latency under contention, the "
            "undisturbed one is not known; measure on a quieter host"
        )
    elif len(quiet) < min(FEWEST_PROCESSES, protocol.processes, len(watched)):
        yield (
            f"only {len(quiet)} of {len(watched)} processes found the machine undisturbed: "
            "measure again when it is quieter, or with more --processes"
        )


def _secs_a_sample(measurement: Measurement) -> float:
    """Seconds between two samples: of a query where queries overlap, else of an inference."""
    latency = measurement.latency
    assert latency is not None
    overlapping = [
        run.queries["elapsed_ns"] / len(run.samples_ns) / 1e9
        for run in measurement.runs
        if run.queries.get("elapsed_ns") and run.samples_ns
    ]
    return max(overlapping, default=latency.p50 / 1e3)


def _enough_runs(measurement: Measurement, times_too_wide: float) -> str:
    """How many processes would make the interval narrow enough.

    It narrows with the square root of their number.
    """
    needed = ceil(len(measurement.runs) * times_too_wide**2)
    if needed > MOST_PROCESSES:
        return f"--processes {needed} would be needed: find what disturbs it first"
    return f"--processes {needed} would do"


def disturbed(runs: tuple[Run, ...], threads: int) -> Iterator[str]:
    """Others had a hand in it, or the threads were in each other's way."""
    steals = [run.machine.get("steal_fraction") or 0.0 for run in runs]
    if max(steals) > STEAL_FRACTION:
        where, again = _which(steals, STEAL_FRACTION)
        yield (
            f"the hypervisor took {max(steals):.1%} of a processor away (steal){where}: "
            f"use a quieter host and {again}"
        )
    cores = min((run.machine.get("usable_cpus") or threads for run in runs), default=threads)
    if threads > cores:
        yield (
            f"oversubscribed: {threads} threads on {cores} "
            f"{'processor' if cores == 1 else 'processors'}; give --threads {cores} at most"
        )
    others = [run.machine.get("other_cpus") or 0.0 for run in runs]
    if max(others) > OTHER_CPUS:
        where, again = _which(others, OTHER_CPUS)
        busy = f"{max(others):.1f} processors busy{where}"
        yield f"other processes kept {busy}: stop them and {again}"
    moves = [_change(run.machine.get("frequency_mhz")) for run in runs]
    if max(moves) > FREQUENCY_DRIFT:
        where, again = _which(moves, FREQUENCY_DRIFT)
        yield (
            f"the clock frequency moved by {max(moves):.0%}{where}: "
            f"set the governor to performance and {again}"
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
    looks = [
        float(np.median([ns for block in quiet for ns in block.reference_ns]))
        for run in sorted(runs, key=lambda run: run.round)
        if (quiet := [block for block in run.blocks if block.quiet and block.reference_ns])
    ]
    third = len(looks) // 3
    if not third:
        return 0.0
    return float(np.median(looks[-third:]) / np.median(looks[:third]) - 1)


def _which(readings: Sequence[float], limit: float) -> tuple[str, str]:
    """(in how many processes a limit was passed, what to measure again)."""
    if len(readings) == 1:
        return "", "measure again"
    count = sum(reading > limit for reading in readings)
    return f" in {count} of {len(readings)} processes", f"measure {count} again"


def _change(readings: Any) -> float:
    if not readings or None in readings or min(readings) <= 0:
        return 0.0
    return float(max(readings) / min(readings) - 1)
