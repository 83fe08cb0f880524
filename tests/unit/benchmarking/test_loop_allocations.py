"""The timed loop keeps nothing: memory in use does not depend on how many samples are taken."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import numpy as np
import pytest

from edgecnn.benchmarking.loop.timed_loop import time_chunk


def empty() -> None:
    return None


INVOCATIONS = [empty] * 32


@pytest.fixture(autouse=True)
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_no_object_outlives_a_sample():
    buffer = np.zeros(20_000, np.int64)
    time_chunk(INVOCATIONS, buffer, 0, 1_000)
    blocks = []
    for count in (1_000, 20_000):
        before = sys.getallocatedblocks()
        time_chunk(INVOCATIONS, buffer, 0, count)
        blocks.append(sys.getallocatedblocks() - before)
    assert max(blocks) < 20  # the loop's own few objects, never one for each sample


def test_the_peak_does_not_grow_with_the_samples():
    buffer = np.zeros(20_000, np.int64)
    peaks = []
    tracemalloc.start()
    try:
        for count in (100, 100, 20_000):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            time_chunk(INVOCATIONS, buffer, 0, count)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 256  # bytes; a few numbers are alive at any time
