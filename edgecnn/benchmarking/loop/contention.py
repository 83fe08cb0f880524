"""Detect contention for the core: short kernels, timed between blocks of samples.

A virtual processor switches between two speeds as a neighbor on the physical core comes and goes,
for tenths of a second at a time. The neighbor cannot be seen from inside, but what it does to a
computation of known cost can: 2,000 steps of Python arithmetic take 1.4 to 1.8 times as long.
Three signs are read before and after each block of samples, outside of the timed calls:

reference   the least of three runs of that computation, on each core that is used
memory      one pass over 2 MiB, which a neighbor's traffic in caches and memory slows down
delay       how long the kernel let this process's threads wait for a processor (/proc schedstat)

Standard library and numpy alone: this runs in the worker.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecnn.results.runs import Block

STEPS = 2_000
TRIES = 3
MEMORY_FLOATS = 1 << 19
TOLERANCE = 1.25
"""Against the machine's best. On a shared host a neighbor makes it 1.3 to 1.6. The clock makes it
up to 1.2: it falls while vector units are busy, and the latency follows it in part (±3%)."""
MEMORY_TOLERANCE = 1.6
MOST_DELAY = 0.02
MOST_CORES = 8
FIRST_PROBES = 12
BEST_QUANTILE = 0.05
"""The best is not the least: a core reaches a higher clock for moments that do not last."""


@dataclass(frozen=True)
class UndisturbedTimes:
    """What the kernels take on this machine when nobody disturbs, in nanoseconds."""

    reference_ns: float
    memory_ns: float

    @classmethod
    def of(cls, probes: Sequence[tuple[float, float]]) -> UndisturbedTimes:
        """The best of (reference, memory) pairs, at least one."""
        reference, memory = np.quantile(np.asarray(probes, np.float64), BEST_QUANTILE, axis=0)
        return cls(float(reference), float(memory))

    def with_reference(self, known_ns: float | None) -> UndisturbedTimes:
        """This best, its reference not above what is known of the machine.

        Memory is the session's own affair: where the pages lie decides how fast they are read.
        """
        if known_ns is None:
            return self
        return UndisturbedTimes(min(self.reference_ns, known_ns), self.memory_ns)


def judged(block: Block, best: UndisturbedTimes) -> Block:
    """The block with `quiet` as the machine's best says: nobody shared core, caches or time."""
    quiet = (
        max(block.reference_ns, default=0) <= TOLERANCE * best.reference_ns
        and max(block.memory_ns, default=0) <= MEMORY_TOLERANCE * best.memory_ns
        and block.delay <= MOST_DELAY
    )
    return replace(block, quiet=quiet)


@dataclass(frozen=True)
class Probe:
    """The kernels' times and the waiting so far, at one moment."""

    at_ns: int
    reference_ns: int
    memory_ns: int
    delay_ns: int


class ContentionProbe:
    """Probes the machine between blocks.

    `probes` are (reference, memory) nanoseconds that other processes of the session saw,
    `known_ns` is the reference that is remembered of the machine: what is undisturbed is judged
    by them and by what this process sees itself.
    """

    def __init__(
        self,
        threads: int = 1,
        probes: Sequence[tuple[int, int]] = (),
        known_ns: float | None = None,
    ) -> None:
        self._known_ns = known_ns
        self._cores = _cores() if threads > 1 else []
        self._threads = threads
        self._floats = np.ones(MEMORY_FLOATS, np.float32)
        self._clock = time.perf_counter_ns
        first = [self.probe() for _ in range(FIRST_PROBES)]
        self._seen = [*probes, *((each.reference_ns, each.memory_ns) for each in first)]

    @property
    def best(self) -> UndisturbedTimes:
        """What an undisturbed probe takes, as far as is known."""
        return UndisturbedTimes.of(self._seen).with_reference(self._known_ns)

    def probe(self) -> Probe:
        """Run the kernels now; takes about half a millisecond."""
        reference = max(self._on_each_core(_compute))
        memory = self._pass_through_memory()
        ended = self._clock()
        return Probe(ended, reference, memory, waited_ns())

    def block(self, first: int, count: int, before: Probe, after: Probe) -> Block:
        """The `count` samples from `first` on, taken between two probes. Remembers the second."""
        self._seen.append((after.reference_ns, after.memory_ns))
        elapsed_ns = max(after.at_ns - before.at_ns, 1) * self._threads
        block = Block(
            first,
            count,
            (before.reference_ns, after.reference_ns),
            (before.memory_ns, after.memory_ns),
            round((after.delay_ns - before.delay_ns) / elapsed_ns, 4),
        )
        return judged(block, self.best)

    def _on_each_core(self, kernel: Callable[[], int]) -> list[int]:
        if not self._cores:
            return [kernel()]
        allowed = os.sched_getaffinity(0)
        times = []
        try:
            for core in self._cores:
                os.sched_setaffinity(0, {core})
                times.append(kernel())
        finally:
            os.sched_setaffinity(0, allowed)
        return times

    def _pass_through_memory(self) -> int:
        started = self._clock()
        self._floats.sum()
        return self._clock() - started


def waited_ns() -> int:
    """How long all threads of this process waited for a processor so far; 0 where unknown."""
    total = 0
    try:
        for task in Path("/proc/self/task").iterdir():
            total += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):  # a thread ended meanwhile, or the kernel is silent
        return total
    return total


def _cores() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[:MOST_CORES]


def _compute() -> int:
    """Nanoseconds of the reference computation, the least of a few tries."""
    clock = time.perf_counter_ns
    least = 1 << 62
    for _ in range(TRIES):
        value = 1
        started = clock()
        for _ in range(STEPS):
            value = (value * 3 + 1) & 0xFFFF
        least = min(least, clock() - started)
    return least
