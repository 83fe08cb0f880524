"""The timed loop. Time is simulated here: each invocation advances the clock by what it "takes"."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.benchmarking.loop import timed_loop
from edgecnn.benchmarking.loop.contention import Probe
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Block

PROTOCOL = Protocol("test", processes=1, min_secs=0.5, min_runs=64, max_secs=3.0)
MS = 1_000_000


class Model:
    """An invocation whose latencies (nanoseconds) are given; the clock moves as it runs."""

    def __init__(self, latencies: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.latencies = latencies
        monkeypatch.setattr(timed_loop, "time", SimpleNamespace(perf_counter_ns=lambda: self.now))

    def __call__(self) -> None:
        self.now += next(self.latencies)


def noisy(mean: int, share: float) -> Iterator[int]:
    rng = np.random.default_rng(0)
    while True:
        yield int(mean * (1 + share * rng.standard_normal()))


def test_samples_are_what_the_invocation_took(monkeypatch):
    model = Model(repeat(2 * MS), monkeypatch)
    samples = timed_loop.measure([model], PROTOCOL).samples
    assert set(samples.tolist()) == {2 * MS}


def test_a_steady_model_stops_at_the_minimum(monkeypatch):
    samples = timed_loop.measure([Model(repeat(10 * MS), monkeypatch)], PROTOCOL).samples
    assert 64 <= len(samples) < 64 + 10  # 0.64 s, at most a chunk of 0.05 s more


def test_a_fast_model_runs_for_the_minimum_time(monkeypatch):
    samples = timed_loop.measure([Model(repeat(MS), monkeypatch)], PROTOCOL).samples
    assert samples.sum() >= 0.5e9


class Neighbor:
    """A machine that is disturbed while `present` is true of the number of probes so far."""

    def __init__(self, present: Callable[[int], bool]) -> None:
        self.present = present
        self.probes = 0

    def probe(self) -> Probe:
        self.probes += 1
        return Probe(0, 200 if self.present(self.probes) else 100, 0, 0)

    def block(self, first: int, count: int, before: Probe, after: Probe) -> Block:
        reference = (before.reference_ns, after.reference_ns)
        return Block(first, count, reference, quiet=max(reference) < 150)


def test_a_disturbed_run_is_extended_until_it_has_enough_undisturbed_samples(monkeypatch):
    neighbor = Neighbor(lambda probes: probes < 10)
    found = timed_loop.measure([Model(repeat(MS), monkeypatch)], PROTOCOL, neighbor, MS)
    disturbed = sum(block.count for block in found.blocks if not block.quiet)
    undisturbed = sum(block.count for block in found.blocks if block.quiet)
    assert disturbed == 450  # nine blocks of 50
    assert undisturbed * MS >= 0.5e9
    assert disturbed + undisturbed == len(found.samples)


def test_a_machine_that_is_never_undisturbed_ends_with_the_budget(monkeypatch):
    found = timed_loop.measure(
        [Model(repeat(MS), monkeypatch)], PROTOCOL, Neighbor(lambda _: True), MS
    )
    assert 3.0e9 <= found.samples.sum() < 3.1e9
    assert not any(block.quiet for block in found.blocks)


def test_blocks_cover_all_samples_in_order(monkeypatch):
    found = timed_loop.measure(
        [Model(repeat(MS), monkeypatch)], PROTOCOL, Neighbor(lambda _: False)
    )
    ends = [block.first + block.count for block in found.blocks]
    assert [block.first for block in found.blocks] == [0, *ends[:-1]]
    assert ends[-1] == len(found.samples)


def test_a_slow_model_gives_what_the_budget_allows(monkeypatch):
    samples = timed_loop.measure([Model(repeat(1_000 * MS), monkeypatch)], PROTOCOL).samples
    assert len(samples) == 3


def test_the_number_of_samples_is_bounded(monkeypatch):
    samples = timed_loop.measure(
        [Model(repeat(10), monkeypatch)], replace(PROTOCOL, max_runs=500)
    ).samples
    assert len(samples) == 500


def test_every_bound_input_takes_its_turn(monkeypatch):
    calls = []
    clock = Model(repeat(MS), monkeypatch)
    invocations = [lambda i=i: (calls.append(i), clock()) for i in range(3)]
    timed_loop.measure(invocations, PROTOCOL)
    assert calls[:7] == [0, 1, 2, 0, 1, 2, 0]


def test_warm_up_waits_until_latency_settles(monkeypatch):
    falling = chain((int(MS * (1 + 20 * 0.99**i)) for i in range(600)), repeat(MS))
    samples = timed_loop.warm_up([Model(falling, monkeypatch)], PROTOCOL)
    assert len(samples) > 400
    assert np.median(samples[-10:]) < 1.1 * MS


def test_warm_up_takes_at_least_ten_runs_and_half_a_second(monkeypatch):
    assert len(timed_loop.warm_up([Model(repeat(100 * MS), monkeypatch)], PROTOCOL)) >= 10
    assert timed_loop.warm_up([Model(repeat(MS), monkeypatch)], PROTOCOL).sum() >= 0.5e9


def test_a_brief_warm_up_compares_two_whole_windows(monkeypatch):
    brief = replace(PROTOCOL, warmup_min_runs=3, warmup_min_secs=0.0)
    falling = chain([90 * MS] * 5, repeat(60 * MS))
    samples = timed_loop.warm_up([Model(falling, monkeypatch)], brief)
    assert len(samples) > 10  # the first ten are a window of 90 ms and one of 60 ms


def test_warm_up_ends_even_when_latency_never_settles(monkeypatch):
    rising = (int(MS * 1.05**i) for i in range(10_000))
    samples = timed_loop.warm_up([Model(rising, monkeypatch)], PROTOCOL)
    assert samples.sum() < 2 * 10e9


def test_garbage_is_not_collected_while_the_clock_runs(monkeypatch):
    states = []
    clock = Model(repeat(MS), monkeypatch)
    timed_loop.measure([lambda: (states.append(gc.isenabled()), clock())], PROTOCOL)
    assert not any(states)
    assert gc.isenabled()
