"""The timed loop: warm-up until the latency settles, then blocks of samples until they suffice.

Only the invocation lies between the two clock readings. Everything else (storing, looking at the
machine, judging whether it is enough) happens outside of them, between blocks of inferences.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.loop.contention import ContentionProbe
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results.runs import Block
from edgecnn.statistics.samples import Samples

Invocation = Callable[[], Any]

BLOCK_SECS = 0.05
SETTLED_WITHIN = 0.02
FEWEST_IN_WINDOW = 5


@dataclass(frozen=True)
class SteadySamples:
    """Samples in nanoseconds, and the blocks that they were taken in."""

    samples: Samples
    blocks: tuple[Block, ...] = ()


def warm_up(invocations: Sequence[Invocation], protocol: Protocol) -> Samples:
    """Run until the median of the last inferences stops moving, within the protocol's bounds.

    Settled means that the medians of the two latest windows (a quarter of all samples each)
    agree within 2%. Returns the samples in nanoseconds.
    """

    def settled(samples: Samples, elapsed: float) -> bool:
        window = max(samples.size // 4, FEWEST_IN_WINDOW)
        least = max(protocol.warmup_min_runs, 2 * window)
        if samples.size < least or elapsed < protocol.warmup_min_secs:
            return False
        latest = float(np.median(samples[-window:]))
        before = float(np.median(samples[-2 * window : -window]))
        return abs(latest - before) <= SETTLED_WITHIN * before

    buffer = _Buffer(max(protocol.max_runs, protocol.warmup_min_runs))
    with no_garbage_collection():
        while buffer.room:
            buffer.fill(invocations, protocol.warmup_max_secs)
            elapsed = buffer.busy_ns / 1e9
            if settled(buffer.taken, elapsed) or elapsed >= protocol.warmup_max_secs:
                break
    return buffer.taken.copy()


def measure(
    invocations: Sequence[Invocation],
    protocol: Protocol,
    watch: ContentionProbe | None = None,
    pace_ns: float = 0.0,
) -> SteadySamples:
    """Sample steady-state latencies until undisturbed samples suffice or the budget is spent.

    Before and after each block `watch` probes the machine; without one every block counts as
    undisturbed. `pace_ns` is what an inference took in the warm-up, 0 where nobody knows.
    """
    buffer = _Buffer(protocol.max_runs, pace_ns)
    blocks: list[Block] = []
    quiet_ns = quiet_count = 0
    before = watch.probe() if watch else None
    with no_garbage_collection():
        while buffer.room:
            first = buffer.done
            spent_ns = buffer.fill(invocations, protocol.max_secs)
            count, quiet = buffer.done - first, True
            if watch and before:
                after = watch.probe()
                blocks.append(watch.block(first, count, before, after))
                quiet, before = blocks[-1].quiet, after
            if quiet:
                quiet_ns, quiet_count = quiet_ns + spent_ns, quiet_count + count
            if enough(quiet_count, quiet_ns / 1e9, protocol):
                break
            if buffer.busy_ns / 1e9 >= protocol.max_secs:
                break
    return SteadySamples(buffer.taken.copy(), tuple(blocks))


def enough(count: int, elapsed: float, protocol: Protocol) -> bool:
    """Whether undisturbed samples have the protocol's count and time (seconds).

    How precise they are is a question for several processes, not for the samples of one.
    """
    return count >= protocol.min_runs and elapsed >= protocol.min_secs


class _Buffer:
    """Room for samples, filled a block at a time at the pace seen so far."""

    def __init__(self, size: int, pace_ns: float = 0.0) -> None:
        self._samples: Samples = np.zeros(size, np.int64)
        self._pace_ns = pace_ns
        self.done = 0
        self.busy_ns = 0

    @property
    def room(self) -> int:
        return int(self._samples.size) - self.done

    @property
    def taken(self) -> Samples:
        return self._samples[: self.done]

    def fill(self, invocations: Sequence[Invocation], max_secs: float) -> int:
        """Time one block of about BLOCK_SECS that ends by `max_secs`; returns its nanoseconds.

        Where the pace is not known yet the block is a single inference; so is every block of a
        model that takes longer.
        """
        pace = self.busy_ns / self.done if self.done else self._pace_ns
        left_ns = max_secs * 1e9 - self.busy_ns
        count = 1
        if pace:
            count = int(np.clip(min(BLOCK_SECS * 1e9, left_ns) / pace, 1, self.room))
        first = self.done
        time_chunk(invocations, self._samples, first, count)
        self.done += count
        spent_ns = int(self._samples[first : self.done].sum())
        self.busy_ns += spent_ns
        return spent_ns


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
