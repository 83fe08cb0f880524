"""Reasons for insufficient precision: too few processes or samples, or too wide a
spread. Every reason says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import asinh, sqrt

import numpy as np

from edgecnn.benchmarking.protocol import PROFILES, Protocol
from edgecnn.benchmarking.rounds import FEWEST_PROCESSES, fits, starts_are_spent
from edgecnn.benchmarking.verdict.budget import advice, enough_secs
from edgecnn.results import Measurement, Run
from edgecnn.statistics.samples import (
    CONFIDENCE,
    SESSION_SPREAD,
    Samples,
    drift,
    reach_of,
    student_t,
    trend,
    two_modes,
)

LATENCY_DRIFT = 0.05
STEADY_TREND = 0.9
"""Modes that follow each other in time are a drift, too."""
MOST_PROCESSES = 100
"""More than these are no advice any more."""
SPREAD_MARGIN = 1.3
"""Processes to come may differ more than those so far; with this allowance nine of ten rows that
get the advised number know what was asked (see tests/unit/benchmarking/test_advice.py)."""


def _is_throughput(measurement: Measurement) -> bool:
    return measurement.load.scenario in ("offline", "server")


def uncertain(measurement: Measurement, protocol: Protocol) -> Iterator[str]:
    """The samples themselves do not settle on a number."""
    runs = measurement.runs
    short = len(runs) < protocol.processes and not starts_are_spent(runs, protocol)
    if short:
        yield _too_few_processes(measurement, protocol)
    elif len(runs) < FEWEST_PROCESSES:
        yield (
            f"{'one process' if len(runs) == 1 else 'two processes'} cannot represent the machine: "
            "no confidence interval; use "
            f"{_asking_for(PROFILES['quick'].processes, measurement, protocol)}"
        )
    taken = sum(len(run.samples_ns) for run in runs)
    if taken < protocol.min_runs and not short:
        yield (
            f"only {taken} of {protocol.min_runs} samples fit into the budget: "
            f"{advice(measurement, protocol)}"
        )
    yield from _seldom_undisturbed(measurement, protocol)
    spread = measurement.relative_spread
    if spread is not None and spread > protocol.target_interval:
        headline = "throughput" if _is_throughput(measurement) else "median"
        yield (
            f"spread: the {headline} is known to ±{spread:.1%} only, "
            f"±{protocol.target_interval:.0%} was asked; "
            f"{_enough_processes(measurement, protocol, spread)}"
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
    return (
        f"only {len(runs)} of {protocol.processes} processes fit into the budget of "
        f"{protocol.max_secs:g} s: {advice(measurement, protocol)}"
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


def _enough_processes(measurement: Measurement, protocol: Protocol, spread: float) -> str:
    """How many processes, each of as many samples as now, would make the interval narrow enough.

    More of them narrow what differs between processes; what differs between sessions stays.
    """
    if _is_throughput(measurement):
        count = sum(bool(run.queries) for run in measurement.runs)
    else:
        count = sum(bool(run.quiet_ns.size) for run in measurement.runs)
    session = reach_of(CONFIDENCE, 0.0, 1, SESSION_SPREAD)
    target = asinh(protocol.target_interval)
    if session >= target:
        return (
            f"no number of processes narrows it below ±{session:.1%}, by which sessions differ: "
            "ask for a wider interval"
        )
    between = sqrt(max(asinh(spread) ** 2 - session**2, 0.0)) / student_t(CONFIDENCE, count - 1)
    deviation = SPREAD_MARGIN * between * sqrt(count)
    each = max(len(run.samples_ns) for run in measurement.runs)
    for needed in range(len(measurement.runs) + 1, MOST_PROCESSES + 1):
        error = deviation / sqrt(needed)
        if reach_of(CONFIDENCE, error, needed - 1, SESSION_SPREAD) <= target:
            least = max(protocol.min_runs, needed * each)
            asked = _asking_for(needed, measurement, replace(protocol, min_runs=least))
            return f"{asked} would do"
    return (
        f"more than {MOST_PROCESSES} --processes would be needed: find the cause of the noise first"
    )


def _asking_for(processes: int, measurement: Measurement, protocol: Protocol) -> str:
    """The options that give a row so many processes, with the budget where they need more."""
    more = replace(protocol, processes=processes, most_processes=processes)
    secs = enough_secs(measurement, more)
    return f"--processes {processes}" + (f" with --max-secs {secs}" if secs else "")
