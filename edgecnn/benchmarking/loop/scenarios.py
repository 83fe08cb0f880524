"""LoadGen's four scenarios over a loaded session.

single_stream   one query of one inference after the other; the latency of an inference
multi_stream    `streams` samples arrive together as one query and are worked through, `batch`
                at a time, by one session; the latency of the query
offline         all samples are there from the start; `streams` sessions take them in threads of
                their own (runtimes let go of Python's lock while they infer); throughput
server          queries of one sample arrive by a Poisson process at a rate; `streams` sessions
                answer, first come, first served; valid when the 99th percentile of latency, from
                arrival to answer, keeps the bound

The definitions are MLPerf LoadGen's, the protocol is edgecnn's: results are not MLPerf results.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.loop.contention import ContentionProbe
from edgecnn.benchmarking.loop.queueing import QUANTILE, arrivals, attempts, highest_rate
from edgecnn.benchmarking.loop.timed_loop import (
    Invocation,
    enough,
    measure,
    no_garbage_collection,
    warm_up,
)
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.errors import InputError
from edgecnn.registry import unknown_name
from edgecnn.results.run_options import Load
from edgecnn.results.runs import Block
from edgecnn.statistics.samples import Samples, minimum_samples, percentile

SCENARIOS = ("single_stream", "multi_stream", "offline", "server")
DEFAULT_STREAMS = {"multi_stream": 8}
"""LoadGen's samples a query; everything else has one stream by default."""

POLL_SECS = 0.05
RATE_STEP = 0.05
MAX_ATTEMPTS = 6


@dataclass(frozen=True)
class ScenarioSamples:
    """Steady-state samples in nanoseconds, and what else is known about the queries."""

    samples: Samples
    queries: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()


def check(load: Load, batch: int = 1) -> None:
    """Raise InputError for a load that makes no sense, alone or with batches of that size."""
    scenario, streams = load.scenario, load.streams
    if scenario not in SCENARIOS:
        raise unknown_name("scenario", scenario, SCENARIOS)
    if streams < 1:
        raise InputError(f"--streams takes a whole number from 1, received: {streams}")
    if scenario == "single_stream" and streams != 1:
        raise InputError(
            f"single_stream has one stream, received: {streams}",
            hint="--scenario offline measures the throughput of several",
        )
    if scenario == "multi_stream" and streams % batch:
        raise InputError(
            f"a query of {streams} samples does not divide into batches of {batch}",
            hint=f"choose --streams as a multiple of {batch}",
        )
    if scenario == "server" and batch != 1:
        raise InputError(f"queries to a server hold one sample, received: --batch {batch}")
    if load.target_qps < 0 or load.latency_bound_ms <= 0:
        raise InputError(
            f"a rate is 0 (look for it) or more and a latency bound above 0, received: "
            f"{load.target_qps:g} and {load.latency_bound_ms:g} ms"
        )


def resolve(
    scenario: str = "single_stream",
    streams: int | None = None,
    *,
    target_qps: float = 0.0,
    latency_bound_ms: float | None = None,
) -> Load:
    """A load with a scenario's own defaults. Raises InputError for what makes no sense."""
    load = Load(
        scenario=scenario,
        streams=DEFAULT_STREAMS.get(scenario, 1) if streams is None else streams,
        target_qps=target_qps,
    )
    if latency_bound_ms is not None:
        load = replace(load, latency_bound_ms=latency_bound_ms)
    check(load)
    return load


def sessions_needed(load: Load) -> int:
    """How many sessions answer at the same time."""
    return load.streams if load.scenario in ("offline", "server") else 1


Streams = Sequence[Sequence[Invocation]]
"""The bound invocations of each session."""


def warm(streams: Streams, protocol: Protocol) -> Samples:
    """Warm up every stream; all samples in nanoseconds of an inference."""
    return np.concatenate([warm_up(invocations, protocol) for invocations in streams])


def run(
    streams: Streams,
    load: Load,
    protocol: Protocol,
    watch: ContentionProbe | None = None,
    pace_ns: float = 0.0,
    *,
    batch: int = 1,
) -> ScenarioSamples:
    """Measure what was warmed up, one request after the other in blocks under `watch`, where an
    inference takes about `pace_ns` (0: not known).

    Where several streams run at once the kernels would disturb them: no blocks there.
    """
    if load.scenario == "offline":
        samples, elapsed_ns = _all_at_once(streams, protocol)
        return ScenarioSamples(samples, _counts(samples.size * batch, elapsed_ns))
    if load.scenario == "server":
        return _serve(streams, load, protocol)
    if load.scenario == "single_stream":
        steady = measure(streams[0], protocol, watch, pace_ns)
        return ScenarioSamples(steady.samples, {}, steady.blocks)
    if load.scenario != "multi_stream":
        raise unknown_name("scenario", load.scenario, SCENARIOS)
    inferences = load.streams // batch
    queries = _as_queries(streams[0], inferences)
    steady = measure(queries, protocol, watch, inferences * pace_ns)
    counts = _counts(steady.samples.size * load.streams, int(steady.samples.sum()))
    return ScenarioSamples(steady.samples, counts, steady.blocks)


def _as_queries(invocations: Sequence[Invocation], inferences: int) -> list[Invocation]:
    """Invocations that make `inferences` each: every query begins where the last one ended."""
    turns = itertools.cycle(invocations)
    return [_as_query(tuple(itertools.islice(turns, inferences))) for _ in range(len(invocations))]


def _as_query(parts: tuple[Invocation, ...]) -> Invocation:
    def query() -> None:
        for invoke in parts:
            invoke()

    return query


def _counts(samples: int, elapsed_ns: int) -> dict[str, Any]:
    return {"samples": int(samples), "elapsed_ns": int(elapsed_ns)}


def _all_at_once(streams: Streams, protocol: Protocol) -> tuple[Samples, int]:
    """Keep every stream busy; (times of inferences, nanoseconds from first to last)."""
    from concurrent.futures import ThreadPoolExecutor, wait

    # Whoever has no place left stops all: the others alone would be slower than all together.
    room = max(-(-protocol.max_runs // len(streams)), protocol.min_runs)
    workers = [_Worker(invocations, room) for invocations in streams]
    stop = threading.Event()
    began = time.perf_counter_ns()
    with no_garbage_collection(), ThreadPoolExecutor(len(workers)) as pool:
        running = [pool.submit(worker.work, stop) for worker in workers]
        while wait(running, POLL_SECS).not_done:
            elapsed = (time.perf_counter_ns() - began) / 1e9
            if elapsed >= protocol.max_secs or enough(
                sum(worker.done for worker in workers), elapsed, protocol
            ):
                stop.set()
        for future in running:
            future.result()
    first = min(worker.began for worker in workers)
    last = max(worker.ended for worker in workers)
    return _joined(workers), last - first


class _Worker:
    """One stream that infers as fast as it can until it or another one has to stop."""

    def __init__(self, invocations: Sequence[Invocation], room: int) -> None:
        self.invocations = invocations
        self.times: npt.NDArray[np.int64] = np.zeros(room, np.int64)
        self.done = 0
        self.began = self.ended = 0

    def work(self, stop: threading.Event) -> None:
        clock, times, stopped = time.perf_counter_ns, self.times, stop.is_set
        turns = itertools.cycle(self.invocations)
        self.began = clock()
        for index, invoke in zip(range(len(times)), turns, strict=False):
            if stopped():
                break
            start = clock()
            invoke()
            times[index] = clock() - start
            self.done = index + 1
        self.ended = clock()
        stop.set()


def _joined(workers: Sequence[_Worker]) -> Samples:
    return np.concatenate([worker.times[: worker.done] for worker in workers])


def _serve(streams: Streams, load: Load, protocol: Protocol) -> ScenarioSamples:
    """Verify the rate that was asked for, or the highest of falling rates that holds."""
    bound_ns = load.latency_bound_ms * 1e6
    report: dict[str, Any] = {"latency_bound_ms": load.latency_bound_ms}
    rates = [load.target_qps]
    if not load.target_qps:
        services, elapsed_ns = _all_at_once(streams, protocol)
        predicted = highest_rate(services, bound_ns, len(streams), protocol.seed)
        report |= {"predicted_qps": predicted, "prediction_elapsed_ns": elapsed_ns}
        if predicted == 0.0:
            reason = "inferences alone, without waiting, take longer than the bound"
            report |= {**_counts(0, 0), "valid": False, "reason": reason, "attempts": []}
            return ScenarioSamples(services, report)
        rates = attempts(predicted, RATE_STEP, MAX_ATTEMPTS)
    tried: list[dict[str, Any]] = []
    latencies: Samples = np.zeros(0, np.int64)
    deadline = time.monotonic() + 3 * protocol.max_secs
    for seed, rate in enumerate(rates, start=protocol.seed):
        latencies, attempt = _offer(streams, rate, bound_ns, protocol, seed)
        tried.append(attempt)
        if attempt["valid"] or time.monotonic() > deadline:
            break
    return ScenarioSamples(latencies, {**report, **tried[-1], "attempts": tried})


def _offer(
    streams: Streams,
    rate: float,
    bound_ns: float,
    protocol: Protocol,
    seed: int,
) -> tuple[Samples, dict[str, Any]]:
    """Offer queries at `rate` and judge: (latencies, what came of it)."""
    wanted = max(protocol.min_runs, minimum_samples(QUANTILE), int(rate * protocol.min_secs))
    affordable = max(1, int(rate * protocol.max_secs))
    count = min(wanted, affordable, protocol.max_runs)
    latencies, woken_late_ns, elapsed_ns = _answer_all(streams, arrivals(rate, count, seed))
    tail = percentile(latencies, QUANTILE)
    verdict: dict[str, Any] = {"valid": tail is not None and tail <= bound_ns}
    if tail is None:
        verdict["reason"] = f"{count} queries in the budget are too few for a 99th percentile"
    elif tail > bound_ns:
        verdict["reason"] = f"p99 {tail / 1e6:.3g} ms is above {bound_ns / 1e6:.3g} ms"
    return latencies, {
        "target_qps": rate,
        **_counts(count, elapsed_ns),
        "p99_ns": tail,
        "woken_late_ns": woken_late_ns,
        "seed": seed,
        **verdict,
    }


def _answer_all(streams: Streams, arriving: Samples) -> tuple[Samples, float | None, int]:
    """Answer every query after its arrival, in order, each by the first stream that is free.

    A stream takes the next query and sleeps until it arrives, so that no further thread hands
    them out. Returns latencies from arrival to answer, by how much sleepers woke late
    (median, part of the latencies), and nanoseconds from the start to the last answer.
    """
    from concurrent.futures import ThreadPoolExecutor

    numbers = iter(range(len(arriving)))
    planned = arriving.tolist()
    latencies = np.zeros(len(planned), np.int64)
    late: list[int] = []
    clock = time.perf_counter_ns
    start = clock() + 10_000_000  # all streams are waiting by then

    def answer(invocations: Sequence[Invocation]) -> int:
        turns: Iterator[Invocation] = itertools.cycle(invocations)
        done = start
        for number, invoke in zip(numbers, turns, strict=False):
            arrival = start + planned[number]
            early = arrival - clock()
            if early > 0:
                time.sleep(early / 1e9)
                late.append(clock() - arrival)
            invoke()
            done = clock()
            latencies[number] = done - arrival
        return done

    with no_garbage_collection(), ThreadPoolExecutor(len(streams)) as pool:
        ended = max(pool.map(answer, streams))
    return latencies, float(np.median(late)) if late else None, ended - start
