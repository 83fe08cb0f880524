"""The state of the machine, told from short kernels; the kernels themselves run for real."""

from __future__ import annotations

import os
import threading
import time

import pytest

from edgecnn.benchmarking.loop.contention import (
    ContentionProbe,
    Probe,
    UndisturbedTimes,
    judged,
    waited_ns,
)
from edgecnn.results import Block

BEST = UndisturbedTimes(100_000.0, 300_000.0)


@pytest.mark.parametrize(
    ("block", "quiet"),
    [
        (Block(0, 10, (100_000, 106_000), (300_000, 400_000)), True),
        (Block(0, 10, (100_000, 140_000), (300_000, 300_000)), False),  # it came
        (Block(0, 10, (140_000, 100_000), (300_000, 300_000)), False),  # it left
        (Block(0, 10, (100_000, 100_000), (300_000, 900_000)), False),  # traffic in memory
        (Block(0, 10, (100_000, 100_000), (300_000, 300_000), 0.2), False),  # waited for a core
    ],
)
def test_a_block_is_undisturbed_when_both_looks_were(block: Block, quiet: bool):
    assert judged(block, BEST).quiet is quiet


def test_the_best_is_what_few_looks_undercut():
    """A core reaches a higher clock for moments: the least look is not the machine's best."""
    probes = [(80_000, 290_000)] + [(100_000 + i, 300_000) for i in range(99)]
    assert UndisturbedTimes.of(probes).reference_ns == pytest.approx(100_000, rel=0.001)


def test_looks_of_other_processes_tell_that_this_one_began_disturbed():
    watch = ContentionProbe(probes=[(1_000, 1_000)] * 50)  # far faster than any machine
    before, after = watch.probe(), watch.probe()
    assert not watch.block(0, 1, before, after).quiet


def test_a_watch_without_looks_of_others_knows_its_own():
    watch = ContentionProbe()
    slow = watch.best.reference_ns * 2
    disturbed = Probe(10**9, int(slow), int(watch.best.memory_ns), 0)
    calm = Probe(0, int(watch.best.reference_ns), int(watch.best.memory_ns), 0)
    assert not watch.block(0, 1, calm, disturbed).quiet


def test_kernels_run_on_every_core_that_several_threads_use():
    allowed = os.sched_getaffinity(0)
    watch = ContentionProbe(threads=2)
    watch.probe()
    assert os.sched_getaffinity(0) == allowed
    assert watch._cores == sorted(allowed)[:8]


def test_waiting_for_a_processor_is_counted():
    """Two busy threads on one core wait for each other."""
    cores = os.sched_getaffinity(0)
    before = waited_ns()
    os.sched_setaffinity(0, {min(cores)})
    try:
        buffer = bytes(1 << 20)
        deadline = time.monotonic() + 0.3

        def work() -> None:
            import hashlib

            while time.monotonic() < deadline:
                hashlib.sha256(buffer)  # lets go of Python's lock

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        waited = waited_ns() - before
        for thread in threads:
            thread.join()
    finally:
        os.sched_setaffinity(0, cores)
    assert waited > 10_000_000
