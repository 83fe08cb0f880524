"""Estimate the --max-secs that a row needs, by simulating its processes at the measured pace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from statistics import fmean

from edgecnn.benchmarking.loop.queueing import QUANTILE
from edgecnn.benchmarking.loop.scenarios import sessions_needed
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.rounds import FEWEST_PROCESSES
from edgecnn.results import Measurement, Run
from edgecnn.statistics.samples import minimum_samples

MARGIN = 1.1
"""The next process may be a tenth slower than the slowest one so far."""


@dataclass(frozen=True)
class ProcessPace:
    """Seconds that one process of a row takes for what it does, by the slowest one so far."""

    start: float
    """Imports and loads, on average: they decide how many processes a row gets."""
    first: float
    sample: float
    """Between two samples: less than a latency where inferences overlap."""
    least: float
    """Below this no further process begins: the first inference and the longest sample."""
    searching: float
    """What a server takes before the rate that it reports."""
    streams: int

    @classmethod
    def of(cls, measurement: Measurement) -> ProcessPace:
        runs = [run for run in measurement.runs if run.samples_ns]
        return cls(
            start=fmean(run.import_ns + run.load_ns for run in runs) / 1e9 * MARGIN,
            first=max(run.first_inference_ns for run in runs) / 1e9 * MARGIN,
            sample=max(_secs_a_sample(run) for run in runs) * MARGIN,
            least=max(run.first_inference_ns + max(run.samples_ns) for run in runs) / 1e9 * MARGIN,
            searching=max(_searching_secs(run) for run in runs) * MARGIN,
            streams=sessions_needed(measurement.load),
        )


def advice(measurement: Measurement, protocol: Protocol) -> str:
    """What to do about a row whose budget was too small for what its protocol asks."""
    secs = enough_secs(measurement, protocol)
    return f"raise --max-secs to {secs}" if secs else "measure again"


def enough_secs(measurement: Measurement, protocol: Protocol) -> int | None:
    """The --max-secs with which the row gets all processes and samples of the protocol; None where
    the protocol's own would do.
    """
    if measurement.load.scenario == "server":
        decisive = protocol.processes * minimum_samples(QUANTILE)
        protocol = replace(protocol, min_runs=max(protocol.min_runs, decisive))
    protocol = replace(protocol, max_runs=max(protocol.max_runs, protocol.min_runs))
    pace = ProcessPace.of(measurement)
    if _completes(pace, protocol):
        return None
    low = high = max(1, ceil(protocol.max_secs))
    while not _completes(pace, replace(protocol, max_secs=high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _completes(pace, replace(protocol, max_secs=middle)):
            high = middle
        else:
            low = middle
    return high


def _completes(pace: ProcessPace, protocol: Protocol) -> bool:
    """Whether every process of a row at this pace begins and takes its part of the samples."""
    processes = protocol.processes
    if processes > FEWEST_PROCESSES and pace.start * processes > protocol.max_secs:
        return False
    spent = 0.0
    for made in range(processes):
        if pace.least > protocol.sampling_secs - spent:
            return False
        share = protocol.of_one_process(spent, made)
        if share.min_runs * pace.sample > share.max_secs:
            return False
        spent += pace.first + pace.searching
        if pace.first < share.warmup_max_secs:  # each stream, and the inference under way
            spent += pace.streams * (share.warmup_max_secs + pace.streams * pace.sample)
        spent += max(share.min_runs * pace.sample, share.min_secs) + pace.sample
    return True


def _secs_a_sample(run: Run) -> float:
    elapsed_ns = run.queries.get("elapsed_ns") or sum(run.samples_ns)
    rate = run.queries.get("target_qps")
    return max(elapsed_ns / len(run.samples_ns) / 1e9, 1 / rate if rate else 0.0)


def _searching_secs(run: Run) -> float:
    """The search for a rate, when each rate that is tried gets enough queries to be decided."""
    earlier = run.queries.get("attempts", ())[:-1]
    decided = sum(minimum_samples(QUANTILE) / each["target_qps"] for each in earlier)
    took = sum(each["elapsed_ns"] for each in earlier) / 1e9
    return float(max(decided, took + run.queries.get("prediction_elapsed_ns", 0) / 1e9))
