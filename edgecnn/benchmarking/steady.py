"""The timed loop: warm-up until the latency settles, then samples until they suffice.

Only the invocation lies between the two clock readings. Everything else (storing, judging
whether it is enough) happens outside of them, in pauses between chunks of inferences.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.stats import Samples, median_interval

Invocation = Callable[[], Any]

CHUNK_SECS = 0.05
SETTLED_WITHIN = 0.02


def warm_up(invocations: Sequence[Invocation], protocol: Protocol) -> Samples:
    """Run until the median of the last inferences stops moving, within the protocol's bounds.

    Settled means that the medians of the two latest windows (a quarter of all samples each)
    agree within 2%. Returns the samples in nanoseconds.
    """
    limit = max(protocol.max_runs, protocol.warmup_min_runs)

    def settled(samples: Samples, elapsed: float) -> bool:
        if samples.size < protocol.warmup_min_runs or elapsed < protocol.warmup_min_secs:
            return False
        window = max(samples.size // 4, 5)
        latest = float(np.median(samples[-window:]))
        before = float(np.median(samples[-2 * window : -window]))
        return abs(latest - before) <= SETTLED_WITHIN * before

    return _sample(invocations, limit, protocol.warmup_max_secs, settled)


def measure(invocations: Sequence[Invocation], protocol: Protocol) -> Samples:
    """Sample steady-state latencies in nanoseconds until the protocol is satisfied or spent."""
    return _sample(
        invocations,
        protocol.max_runs,
        protocol.max_secs,
        lambda samples, elapsed: enough(samples, elapsed, protocol),
    )


def enough(samples: Samples, elapsed: float, protocol: Protocol) -> bool:
    """Whether samples have the protocol's count, time (seconds) and precision of the median."""
    if samples.size < protocol.min_runs or elapsed < protocol.min_secs:
        return False
    interval = median_interval(samples)
    if interval is None:
        return False
    half_width = (interval[1] - interval[0]) / 2
    return half_width <= protocol.target_interval * float(np.median(samples))


def _sample(
    invocations: Sequence[Invocation],
    max_runs: int,
    max_secs: float,
    done_with: Callable[[Samples, float], bool],
) -> Samples:
    buffer = np.zeros(max_runs, np.int64)
    done, busy_ns, chunk = 0, 0, 1
    with no_garbage_collection():
        while done < max_runs:
            count = min(chunk, max_runs - done)
            time_chunk(invocations, buffer, done, count)
            busy_ns += int(buffer[done : done + count].sum())
            done += count
            elapsed = busy_ns / 1e9
            if done_with(buffer[:done], elapsed) or elapsed >= max_secs:
                break
            pace = max(busy_ns / done, 1.0)
            chunk = max(
                1, min(int(CHUNK_SECS * 1e9 / pace), int((max_secs - elapsed) * 1e9 / pace))
            )
    return buffer[:done].copy()


def time_chunk(
    invocations: Sequence[Invocation], buffer: npt.NDArray[np.int64], first: int, count: int
) -> None:
    clock = time.perf_counter_ns
    pool = len(invocations)
    for index in range(first, first + count):
        invoke = invocations[index % pool]
        start = clock()
        invoke()
        stop = clock()
        buffer[index] = stop - start


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep Python's cycle collector from pausing in the middle of a sample."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
