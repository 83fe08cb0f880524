"""Sustained load: throughput over minutes, until the device is hot.

Inferences run without a pause for the protocol's `sustained_secs`. Quantiles are computed for
each minute (for each tenth where the whole is shorter than ten minutes) and the samples dropped.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edgecnn.benchmarking.loop.timed_loop import time_chunk
from edgecnn.benchmarking.machine import observation, throttle
from edgecnn.benchmarking.passes import Context
from edgecnn.errors import InputError
from edgecnn.statistics.samples import Samples, percentile

BUCKETS = 10
CHUNK = 8_192
CHUNK_SECS = 0.1


def find(context: Context) -> dict[str, Any]:
    """Latency, temperature and frequency by minute, and how the end compares with the beginning.

    `steady_over_initial` is the median latency of the last fifth of the buckets over that of
    the first one: 1.3 means that the device ends 30% slower than it began.
    """
    secs = context.protocol.sustained_secs
    if secs <= 0:
        raise InputError("sustained load needs a duration", hint="--sustained 10m")
    bucket_secs = min(60.0, secs / BUCKETS)
    before = throttle.read(observation.ROOT)
    pace_ns = _pace(context)
    start = time.monotonic()
    buckets: list[dict[str, Any]] = []
    while not buckets or time.monotonic() - start < secs - bucket_secs / 2:
        samples = _bucket(context, start + bucket_secs * (len(buckets) + 1), pace_ns)
        pace_ns = float(samples.mean())
        median, tail = percentile(samples, 0.5), percentile(samples, 0.9)
        buckets.append(
            {
                "minute": round((time.monotonic() - start) / 60, 4),
                "p50_ms": median / 1e6 if median is not None else None,
                "p90_ms": tail / 1e6 if tail is not None else None,
                "count": int(samples.size),
                "temperature_c": observation.temperature_c(),
                "frequency_mhz": observation.frequency_mhz(),
            }
        )
    happened, by = throttle.throttled(before, throttle.read(observation.ROOT))
    medians = [bucket["p50_ms"] for bucket in buckets]
    steady = float(np.median(medians[-max(1, len(medians) // 5) :]))
    return {
        "secs": time.monotonic() - start,
        "bucket_secs": bucket_secs,
        "buckets": buckets,
        "steady_over_initial": steady / medians[0],
        "throttled": happened,
        "throttled_by": by,
    }


def _pace(context: Context) -> float:
    """Nanoseconds of one inference, roughly."""
    buffer = np.zeros(1, np.int64)
    time_chunk(context.invocations, buffer, 0, 1)
    return float(buffer[0])


def _bucket(context: Context, until: float, pace_ns: float) -> Samples:
    """Samples (ns) until a moment of the monotonic clock; at least one."""
    pieces: list[Samples] = []
    while not pieces or time.monotonic() < until:
        secs = min(CHUNK_SECS, max(until - time.monotonic(), 0.0))
        count = int(np.clip(secs * 1e9 / max(pace_ns, 1.0), 1, CHUNK))
        buffer = np.zeros(count, np.int64)
        time_chunk(context.invocations, buffer, 0, count)
        pieces.append(buffer)
    return np.concatenate(pieces)
