"""Why a number is not known to the promised precision: too few processes or samples, or too wide a
spread. Every reason says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

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

LATENCY_DRIFT = 0.05
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
    series = [_representative(run) for run in runs]
    modes = [pair for samples in series if (pair := two_modes(samples))]
    if 2 * len(modes) > len(runs):
        worst = max(modes, key=lambda pair: pair.high / pair.low)
        yield (
            f"two modes: {1 - worst.share_high:.0%} of the samples near {worst.low / 1e6:.3g} ms, "
            f"{worst.share_high:.0%} near {worst.high / 1e6:.3g} ms; the median may lie at either"
        )
    drifts = [drift(samples) for samples in series]
    furthest = float(np.median(drifts)) if drifts else 0.0
    steady = bool(series) and abs(float(np.median([trend(each) for each in series]))) > STEADY_TREND
    if (steady or not modes) and abs(furthest) > LATENCY_DRIFT:
        way = "slower" if furthest > 0 else "faster"
        yield (
            f"drift: {abs(furthest):.0%} {way} at the end of a run than at its start; "
            "let it cool down and measure again"
        )


def _representative(run: Run) -> Samples:
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
