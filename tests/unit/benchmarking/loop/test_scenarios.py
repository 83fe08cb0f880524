"""Four ways for queries to come, over invocations that count. No time is asserted."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.benchmarking.loop import scenarios
from edgecnn.benchmarking.loop.scenarios import check, resolve, sessions_needed
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.errors import InputError
from edgecnn.results import Load

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.0, min_runs=64, max_secs=0.5, max_runs=200,
    warmup_min_secs=0.0, warmup_max_secs=0.05,
)  # fmt: skip


class Model:
    """Invocations that remember who called them."""

    def __init__(self, secs: float = 0.0002) -> None:
        self.secs = secs
        self.calls: list[tuple[int, int]] = []

    def invocations(self, count: int = 4) -> list:
        def make(index: int):
            def invoke() -> None:
                self.calls.append((index, threading.get_ident()))
                time.sleep(self.secs)

            return invoke

        return [make(index) for index in range(count)]


@pytest.mark.parametrize(
    ("load", "batch", "words"),
    [
        (Load("serber"), 1, "unknown scenario 'serber'"),
        (Load("offline", streams=0), 1, "--streams takes a whole number from 1"),
        (Load(streams=2), 1, "single_stream has one stream"),
        (Load("multi_stream", streams=8), 3, "into batches of 3"),
        (Load("server"), 2, "one sample, received: --batch 2"),
        (Load("server", target_qps=-1.0), 1, "a rate is 0"),
        (Load("server", latency_bound_ms=0.0), 1, "bound above 0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(load: Load, batch: int, words: str):
    with pytest.raises(InputError, match=words):
        check(load, batch)


def test_a_misspelt_scenario_is_answered_with_the_nearest():
    with pytest.raises(InputError) as caught:
        resolve("ofline")
    assert "did you mean 'offline'?" in caught.value.hint


def test_a_multi_stream_query_has_eight_samples_unless_told_otherwise():
    assert resolve("multi_stream").streams == 8
    assert resolve("multi_stream", 4).streams == 4
    assert resolve("offline").streams == 1


@pytest.mark.parametrize(
    ("scenario", "streams", "sessions"),
    [("single_stream", 1, 1), ("multi_stream", 8, 1), ("offline", 3, 3), ("server", 2, 2)],
)
def test_sessions_answer_side_by_side_where_the_scenario_has_several(scenario, streams, sessions):
    assert sessions_needed(Load(scenario, streams=streams)) == sessions


def test_single_stream_is_the_timed_loop_alone():
    measured = scenarios.run([Model().invocations()], Load(), BRIEF)
    assert 64 <= measured.samples.size <= 200
    assert measured.queries == {}


@pytest.mark.parametrize(("streams", "batch", "inferences"), [(8, 1, 8), (8, 4, 2), (6, 6, 1)])
def test_a_multi_stream_query_is_worked_through_in_batches(streams, batch, inferences):
    model = Model(0.0)
    load = Load("multi_stream", streams=streams)
    measured = scenarios.run([model.invocations()], load, BRIEF, batch=batch)
    queries = measured.samples.size
    assert len(model.calls) == queries * inferences
    assert measured.queries["samples"] == queries * streams
    assert measured.queries["elapsed_ns"] == int(measured.samples.sum())


def test_queries_take_distinct_samples_in_turn():
    model = Model(0.0)
    load = Load("multi_stream", streams=3)
    scenarios.run([model.invocations(4)], load, BRIEF)
    assert [index for index, _ in model.calls[:8]] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_samples_are_not_copied_while_streams_infer(monkeypatch):
    joined, copies = scenarios._joined, []

    def copy(workers):
        copies.append(joined(workers))
        return copies[-1]

    monkeypatch.setattr(scenarios, "POLL_SECS", 0.001)
    monkeypatch.setattr(scenarios, "_joined", copy)
    scenarios.run([Model().invocations(), Model().invocations()], Load("offline", streams=2), BRIEF)
    assert len(copies) == 1


def test_offline_keeps_every_stream_busy_and_counts_every_sample():
    models = [Model(), Model()]
    load = Load("offline", streams=2)
    measured = scenarios.run([model.invocations() for model in models], load, BRIEF, batch=4)
    done = [len(model.calls) for model in models]
    assert min(done) > 0
    assert measured.samples.size == sum(done)
    assert measured.queries["samples"] == 4 * sum(done)
    assert measured.queries["elapsed_ns"] >= measured.samples.max()
    assert len({thread for model in models for _, thread in model.calls}) == 2
    assert (measured.samples > 0).all()


def test_a_stream_that_has_no_place_left_stops_the_slower_ones():
    """They alone would be slower than all together, and the throughput too low."""
    fast, slow = Model(0.0), Model(0.02)
    load, protocol = Load("offline", streams=2), replace(BRIEF, min_secs=5.0, max_secs=5.0)
    measured = scenarios.run([model.invocations() for model in (fast, slow)], load, protocol)
    assert len(fast.calls) == protocol.max_runs // 2
    assert len(slow.calls) < 20  # it has 100 places
    assert measured.queries["samples"] == len(fast.calls) + len(slow.calls)


def test_a_stream_has_places_for_all_samples_that_are_asked_for():
    """Whichever stops the others, there are enough."""
    load, protocol = Load("offline", streams=2), replace(BRIEF, min_runs=200, min_secs=0.0)
    models = [Model(0.0), Model(0.02)]
    measured = scenarios.run([model.invocations() for model in models], load, protocol)
    assert measured.samples.size >= 200


def test_a_failing_stream_is_an_error_and_not_a_number():
    def broken() -> None:
        raise RuntimeError("out of memory")

    load = Load("offline", streams=2)
    with pytest.raises(RuntimeError, match="out of memory"):
        scenarios.run([Model().invocations(), [broken]], load, replace(BRIEF, max_secs=0.2))


def test_a_server_answers_every_query_and_tells_whether_the_bound_held():
    models = [Model(), Model()]
    load = Load("server", streams=2, target_qps=5_000.0, latency_bound_ms=60_000.0)
    protocol = replace(BRIEF, min_runs=700, max_runs=700)
    measured = scenarios.run([model.invocations() for model in models], load, protocol)
    assert measured.samples.size == 700
    assert sum(len(model.calls) for model in models) == 700
    assert measured.queries["valid"] is True
    assert measured.queries["target_qps"] == 5_000.0
    assert [attempt["target_qps"] for attempt in measured.queries["attempts"]] == [5_000.0]


def test_a_server_slower_than_its_arrivals_is_not_valid():
    load = Load("server", target_qps=20_000.0, latency_bound_ms=5.0)
    protocol = replace(BRIEF, min_runs=700, max_runs=700)
    measured = scenarios.run([Model(0.0005).invocations()], load, protocol)
    assert measured.queries["valid"] is False
    assert "is above 5 ms" in measured.queries["reason"]
    assert float(np.median(measured.samples)) > 5e6  # waiting counts


def test_too_few_queries_claim_no_tail():
    load = Load("server", target_qps=1_000.0, latency_bound_ms=60_000.0)
    measured = scenarios.run([Model().invocations()], load, BRIEF)
    assert measured.queries["valid"] is False
    assert "too few for a 99th percentile" in measured.queries["reason"]


def test_without_a_rate_the_highest_that_holds_is_looked_for():
    load = Load("server", latency_bound_ms=2_000.0)
    protocol = replace(BRIEF, min_runs=700, max_runs=700)
    queries = scenarios.run([Model().invocations()], load, protocol).queries
    assert queries["predicted_qps"] > 0
    assert queries["attempts"][0]["target_qps"] > queries["predicted_qps"]
    assert queries["target_qps"] == queries["attempts"][-1]["target_qps"]


def test_a_bound_below_a_single_inference_is_told_at_once():
    load = Load("server", latency_bound_ms=0.01)
    measured = scenarios.run([Model().invocations()], load, BRIEF)
    assert measured.queries["valid"] is False
    assert "without waiting" in measured.queries["reason"]
    assert measured.samples.size > 0
