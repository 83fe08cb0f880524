"""What a row derives from its raw samples, by scenario."""

from __future__ import annotations

import pytest

from edgecnn.results import ArtifactRecord, Measurement, Run, RuntimeOptions

ARTIFACT = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 10)


def row(options: RuntimeOptions, *queries: dict) -> Measurement:
    runs = tuple(Run(1, 1, (1,), (2_000_000,) * 64, queries=each) for each in queries)
    return Measurement(ARTIFACT, "litert", "cpu", options, runs=runs)


def test_one_request_after_the_other_answers_its_batch_in_the_mean_latency():
    assert row(RuntimeOptions(batch=4), {}).throughput_per_s == pytest.approx(2_000.0)


def test_a_multi_stream_query_answers_all_its_streams():
    options = RuntimeOptions(scenario="multi_stream", streams=8, batch=4)
    assert row(options, {"samples": 512}).throughput_per_s == pytest.approx(4_000.0)


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_throughput_of_parallel_streams_is_counted_and_not_derived_from_latency(scenario):
    options = RuntimeOptions(scenario=scenario, streams=2)
    rates = [{"samples": n, "elapsed_ns": 10**9, "valid": True} for n in (800, 1_000, 900)]
    assert row(options, *rates).throughput_per_s == pytest.approx(900.0)


def test_a_server_that_kept_its_bound_at_no_rate_has_no_throughput():
    options = RuntimeOptions(scenario="server")
    queries = {"samples": 800, "elapsed_ns": 10**9, "valid": False}
    assert row(options, queries).throughput_per_s == 0.0


def test_the_spread_of_offline_is_that_of_its_throughput():
    options = RuntimeOptions(scenario="offline", streams=2)
    same = [{"samples": 800, "elapsed_ns": 10**9}] * 5
    assert row(options, *same).relative_spread == 0.0
    apart = [{"samples": n, "elapsed_ns": 10**9} for n in (400, 600, 800, 1_000, 1_200)]
    assert row(options, *apart).relative_spread > 0.2
    assert row(options, *apart[:2]).relative_spread is None


@pytest.mark.parametrize(
    "options",
    [
        RuntimeOptions(scenario="offline"),
        RuntimeOptions(scenario="offline", streams=2),
        RuntimeOptions(affinity=(0, 1)),
        RuntimeOptions(scenario="server"),
        RuntimeOptions(scenario="server", target_qps=100.0),
        RuntimeOptions(scenario="server", latency_bound_ms=50.0),
    ],
)
def test_rows_of_another_scenario_or_place_are_other_rows(options: RuntimeOptions):
    assert row(options).key != row(RuntimeOptions()).key


def test_options_survive_the_file():
    options = RuntimeOptions(affinity=(0, 1), scenario="offline", streams=2)
    there = row(options, {"samples": 10, "elapsed_ns": 5})
    assert Measurement.from_dict(there.to_dict()) == there
