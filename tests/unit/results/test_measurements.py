"""What a row derives from its raw samples, by scenario."""

from __future__ import annotations

import pytest

from edgecnn.records import FieldError
from edgecnn.results import (
    ArtifactRecord,
    Block,
    Load,
    Measurement,
    Placement,
    Run,
    RuntimeOptions,
)

SINGLE = Load()
ARTIFACT = ArtifactRecord("m.tflite", "tflite", "float32", "ab", 10)


def row(load: Load = SINGLE, *queries: dict, batch: int = 1, cores: tuple = ()) -> Measurement:
    runs = tuple(Run(1, 1, (1,), (2_000_000,) * 64, queries=each) for each in queries)
    options, placement = RuntimeOptions(batch=batch), Placement(cores)
    return Measurement(
        ARTIFACT, "litert", "cpu", options, runs=runs, placement=placement, load=load
    )


def test_one_request_after_the_other_answers_its_batch_in_the_mean_latency():
    assert row(Load(), {}, batch=4).throughput_per_s == pytest.approx(2_000.0)


def test_a_multi_stream_query_answers_all_its_streams():
    load = Load("multi_stream", streams=8)
    assert row(load, {"samples": 512}, batch=4).throughput_per_s == pytest.approx(4_000.0)


@pytest.mark.parametrize("scenario", ["offline", "server"])
def test_throughput_of_parallel_streams_is_counted_and_not_derived_from_latency(scenario):
    load = Load(scenario, streams=2)
    rates = [{"samples": n, "elapsed_ns": 10**9, "valid": True} for n in (800, 1_000, 900)]
    assert row(load, *rates).throughput_per_s == pytest.approx(900.0)


def test_a_server_that_kept_its_bound_at_no_rate_has_no_throughput():
    load = Load("server")
    queries = {"samples": 800, "elapsed_ns": 10**9, "valid": False}
    assert row(load, queries).throughput_per_s == 0.0


def test_the_spread_of_offline_is_that_of_its_throughput():
    load = Load("offline", streams=2)
    same = [{"samples": 800, "elapsed_ns": 10**9}] * 5
    assert row(load, *same).relative_spread < 0.02  # what differs between sessions
    apart = [{"samples": n, "elapsed_ns": 10**9} for n in (400, 600, 800, 1_000, 1_200)]
    assert row(load, *apart).relative_spread > 0.2
    assert row(load, *apart[:2]).relative_spread is None


@pytest.mark.parametrize(
    "other",
    [
        row(Load("offline")),
        row(Load("offline", streams=2)),
        row(cores=(0, 1)),
        row(Load("server")),
        row(Load("server", target_qps=100.0)),
        row(Load("server", latency_bound_ms=50.0)),
    ],
)
def test_rows_of_another_scenario_or_place_are_other_rows(other: Measurement):
    assert other.key != row().key


def test_what_was_asked_survives_the_file():
    there = row(Load("offline", streams=2), {"samples": 10, "elapsed_ns": 5}, cores=(0, 1))
    assert Measurement.from_dict(there.to_dict()) == there


def test_a_row_whose_options_held_placement_and_load_is_the_same_row():
    """Schemas 1 to 3 wrote them as one."""
    there = row(Load("server", 2, 12.5, 7.5), {"samples": 10, "elapsed_ns": 5}, cores=(0, 1))
    document = there.to_dict()
    document["options"] |= document.pop("placement") | document.pop("load")
    found = Measurement.from_dict(document)
    assert found == there
    assert found.key == there.key


@pytest.mark.parametrize("name", ["options", "placement", "load"])
def test_a_row_of_both_layouts_or_of_nonsense_is_read_or_refused_in_words(name):
    document = row(Load("offline", streams=2)).to_dict()
    document["options"]["scenario"] = "server"
    assert Measurement.from_dict(document).load.scenario == "offline"
    with pytest.raises(FieldError, match=f"measurement.{name}"):
        Measurement.from_dict({**document, name: [1]})


def watched(number: int, quiet_ns: int, contended_ns: int) -> Run:
    blocks = (Block(0, 20, (100,)), Block(20, 20, (101,)), Block(40, 10, (180,), quiet=False))
    return Run(1, 1, (), (quiet_ns,) * 40 + (contended_ns,) * 10, round=number, blocks=blocks)


def test_the_headline_is_the_undisturbed_machine_and_the_neighbor_stands_beside_it():
    runs = tuple(watched(number, 1_000_000 + number, 4_000_000) for number in range(3))
    measured = Measurement(ARTIFACT, "litert", "cpu", runs=runs)
    assert measured.latency.p50 == pytest.approx(1.000001)
    assert measured.latency.count == 150
    assert measured.latency.max == 4.0
    assert measured.contention.share == pytest.approx(0.5, abs=1e-4)
    assert measured.contention.p50_ms == 4.0
    assert measured.round_medians_ms == pytest.approx({0: 1.0, 1: 1.000001, 2: 1.000002})


def test_a_row_that_was_never_undisturbed_still_has_a_latency_and_no_round():
    run = Run(1, 1, (), (2_000_000,) * 10, blocks=(Block(0, 10, (150, 160), quiet=False),))
    measured = Measurement(ARTIFACT, "litert", "cpu", runs=(run,))
    assert measured.latency.p50 == 2.0
    assert measured.contention.share == 1.0
    assert measured.round_medians_ms == {}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"verdict": "NOISY", "reasons": ("a neighbor",)}, ""),
        ({"verdict": "INVALID", "reasons": ("NaN", "constant")}, "INVALID: NaN; constant"),
        ({"status": "failed", "error": "no memory"}, "failed: no memory"),
        ({"status": "timeout"}, "timeout"),
    ],
)
def test_why_a_row_has_no_number_that_may_be_used(more, reason):
    assert Measurement(ARTIFACT, "litert", "cpu", **more).unusable_reason == reason


def test_a_reason_of_any_length_fits_into_a_line():
    long = Measurement(ARTIFACT, "litert", "cpu", status="failed", error="word " * 500)
    assert len(long.unusable_reason) <= 400
