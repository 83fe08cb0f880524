"""Simulate queries with random arrivals: the queue, and the rate that it sustains.

Pure functions over nanoseconds; the clock is elsewhere (`scenarios`).
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]

QUANTILE = 0.99
"""LoadGen's server scenario bounds the 99th percentile."""

_SIMULATED = 4_000
_BISECTIONS = 20


def arrivals(rate_per_s: float, count: int, seed: int) -> Times:
    """`count` arrival times of a Poisson process (nanoseconds from the start), seeded."""
    gaps = np.random.default_rng(seed).exponential(1e9 / rate_per_s, count)
    return np.cumsum(gaps).astype(np.int64)


def replay(arriving: Times, services: Times, streams: int) -> Times:
    """Latency of each query, waiting included, when `streams` answer first come, first served."""
    free = [0] * streams
    latencies = np.empty(len(arriving), np.int64)
    for index, (arrival, service) in enumerate(
        zip(arriving.tolist(), services.tolist(), strict=True)
    ):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        latencies[index] = done - arrival
    return latencies


def highest_rate(services: Times, bound_ns: float, streams: int, seed: int = 0) -> float:
    """The rate (per second) up to which the 99th percentile is predicted to keep the bound.

    `services` are measured times of single inferences while all streams were busy; the
    prediction resamples them. 0 when inferences alone, without waiting, break the bound.
    """
    if float(np.quantile(services, QUANTILE)) > bound_ns:
        return 0.0
    drawn = np.random.default_rng([seed, 1]).choice(services, _SIMULATED)
    low, high = 0.0, streams * 1e9 / float(services.mean())
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        latencies = replay(arrivals(middle, _SIMULATED, seed), drawn, streams)
        if float(np.quantile(latencies, QUANTILE)) <= bound_ns:
            low = middle
        else:
            high = middle
    return low


def attempts(predicted: float, step: float, count: int) -> list[float]:
    """Rates to try for real, falling: one step above the prediction, then ever larger steps."""
    rates = [predicted * (1 + step)]
    for number in range(1, count):
        rates.append(rates[-1] * (1 - step * number))
    return rates
