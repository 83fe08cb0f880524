"""Run MLPerf's LoadGen on the loaded session.

LoadGen decides when queries come and computes the percentiles; this only answers. Its summary
is kept word for word, its numbers are read from there. What comes out is LoadGen's measurement
of this session under this protocol, not an MLPerf result: those follow rules on models, data,
durations and review that nobody applied here.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from edgecnn.benchmarking.passes import Context
from edgecnn.errors import UnsupportedError
from edgecnn.registry import require
from edgecnn.system import scratch

Answer = Callable[[], Any]

_NAMES = {
    "single_stream": "SingleStream",
    "multi_stream": "MultiStream",
    "offline": "Offline",
    "server": "Server",
}
_NOT_MLPERF = "measured with MLPerf LoadGen; not an MLPerf result"


def find(context: Context) -> dict[str, Any]:
    """LoadGen's summary (`summary`, its text), the numbers in it, and whether it says VALID.

    Raises MissingDependencyError without mlcommons-loadgen, UnsupportedError for batches and
    for a server of which no rate is known.
    """
    loadgen = require("mlperf_loadgen", "loadgen")
    if context.options.batch != 1:
        raise UnsupportedError(
            f"LoadGen hands out single samples, received: batch {context.options.batch}",
            hint="benchmark with --batch 1",
        )
    settings = _settings(loadgen, context)
    with scratch.folder() as folder:
        _drive(loadgen, settings, context, str(folder))
        summary = (folder / "mlperf_log_summary.txt").read_text(encoding="utf-8")
    numbers = parse(summary)
    return {
        "note": _NOT_MLPERF,
        "scenario": numbers.get("Scenario"),
        "valid": numbers.get("Result is") == "VALID",
        "numbers": numbers,
        "summary": summary,
    }


def parse(summary: str) -> dict[str, float | str]:
    """The "name : value" lines of LoadGen's summary; values are numbers where they are."""
    fields: dict[str, float | str] = {}
    for line in summary.splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not value.strip():
            continue
        try:
            fields[name.strip()] = float(value)
        except ValueError:
            fields[name.strip()] = value.strip()
    return fields


def _settings(loadgen: ModuleType, context: Context) -> Any:
    """The protocol in LoadGen's terms."""
    load, protocol = context.load, context.protocol
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, _NAMES[load.scenario])
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = int(protocol.min_secs * 1e3)
    settings.max_duration_ms = int(protocol.max_secs * 1e3)
    settings.min_query_count = protocol.min_runs
    settings.sample_index_rng_seed = settings.schedule_rng_seed = protocol.seed + 1
    settings.qsl_rng_seed = protocol.seed + 1
    # It prepares as many queries as these latencies fit into the time: rather too many.
    expected = _fastest_ns(context) // 2
    settings.single_stream_expected_latency_ns = expected
    if load.scenario == "multi_stream":
        settings.multi_stream_samples_per_query = load.streams
        settings.multi_stream_expected_latency_ns = expected * load.streams
    if load.scenario == "offline":
        rate = context.queries["samples"] * 1e9 / context.queries["elapsed_ns"]
        settings.offline_expected_qps = rate
    if load.scenario == "server":
        rate = load.target_qps or context.queries.get("target_qps", 0.0)
        if not rate:
            raise UnsupportedError(
                "no rate kept the latency bound, so LoadGen has nothing to run",
                hint="pass --target-qps, or a larger --latency-bound",
            )
        settings.server_target_qps = rate
        settings.server_target_latency_ns = int(load.latency_bound_ms * 1e6)
    return settings


def _fastest_ns(context: Context) -> int:
    times = []
    for invoke in context.invocations:
        start = time.perf_counter_ns()
        invoke()
        times.append(time.perf_counter_ns() - start)
    return min(times)


def _drive(loadgen: ModuleType, settings: Any, context: Context, folder: str) -> None:
    streams = context.streams or [context.invocations]
    pool = len(streams[0])
    # LoadGen continues while a server or an offline run answers, and waits in the other two.
    waits = context.load.scenario in ("single_stream", "multi_stream")
    answering = _Answering(loadgen, streams[0], () if waits else streams)
    sut = loadgen.ConstructSUT(answering.issue, lambda: None)
    library = loadgen.ConstructQSL(pool, pool, lambda _samples: None, lambda _samples: None)
    output = loadgen.LogOutputSettings()
    output.outdir = folder
    output.copy_summary_to_stdout = False
    logs = loadgen.LogSettings()
    logs.log_output = output
    logs.enable_trace = False
    try:
        loadgen.StartTestWithLogSettings(sut, library, settings, logs, "")
    finally:
        answering.close()
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(sut)


class _Answering:
    """Answers LoadGen's queries: in its own thread, or from a queue by a thread a stream."""

    def __init__(
        self,
        loadgen: ModuleType,
        invocations: Sequence[Answer],
        streams: Sequence[Sequence[Answer]],
    ) -> None:
        self._loadgen = loadgen
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._invocations = invocations
        self._threads = [
            threading.Thread(target=self._work, args=(stream,), daemon=True) for stream in streams
        ]
        for thread in self._threads:
            thread.start()

    def issue(self, samples: Sequence[Any]) -> None:
        """LoadGen's call: answer these samples, now or from a thread."""
        if self._threads:
            for sample in samples:
                self._queue.put((sample.id, sample.index))
            return
        for sample in samples:
            self._answer(self._invocations, sample.id, sample.index)

    def close(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, invocations: Sequence[Answer]) -> None:
        for identity, index in iter(self._queue.get, None):
            self._answer(invocations, identity, index)

    def _answer(self, invocations: Sequence[Answer], identity: int, index: int) -> None:
        invocations[index]()
        response = self._loadgen.QuerySampleResponse(identity, 0, 0)
        self._loadgen.QuerySamplesComplete([response])
