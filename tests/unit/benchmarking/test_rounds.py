"""How many processes a row gets, and how its blocks are judged in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.benchmarking.protocol import PROFILES
from edgecnn.benchmarking.rounds import SessionProbes, spent_secs, wants_another
from edgecnn.results import ArtifactRecord, Block, Measurement, Run

PROTOCOL = replace(PROFILES["quick"], processes=3, most_processes=6)
MS = 1_000_000


def row(*medians_ms: float, samples: int = 100) -> Measurement:
    runs = tuple(
        Run(1, MS, (MS,), (round(median * MS),) * samples, round=number)
        for number, median in enumerate(medians_ms)
    )
    return Measurement(
        ArtifactRecord("m.tflite", "tflite", "float32", "ab", 1), "litert", "cpu", runs=runs
    )


def test_every_row_gets_the_processes_of_its_protocol():
    assert wants_another(row(), PROTOCOL)
    assert wants_another(row(1.0, 1.0), PROTOCOL)
    assert not wants_another(row(1.0, 1.0, 1.001), PROTOCOL)


def test_a_wide_interval_gets_further_processes_up_to_the_most():
    assert wants_another(row(1.0, 1.1, 1.2), PROTOCOL)
    assert not wants_another(row(1.0, 1.1, 1.2, 1.3, 1.4, 1.5), PROTOCOL)


def test_a_row_that_failed_gets_no_further_process():
    assert not wants_another(replace(row(1.0), status="crashed"), PROTOCOL)


def test_no_further_process_begins_that_would_leave_the_budget():
    slow = row(1_000.0, samples=2)  # 2 s of the 4.5 s for samples
    assert wants_another(slow, PROTOCOL)
    assert not wants_another(row(1_000.0, 1_000.0, samples=2), PROTOCOL)


def test_a_process_that_took_its_whole_part_leaves_the_others_theirs():
    """Extended to the end beside a neighbor: the last of three still begins."""
    full = row(1.0, 1.0, samples=1_500)  # twice 1.5 s of 4.5 s
    assert wants_another(full, PROTOCOL)
    assert not wants_another(row(1.0, 1.1, 1.2, samples=1_300), PROTOCOL)


def test_processes_that_start_slowly_are_as_few_as_an_interval_takes():
    slow = row(1.0, 1.1, 1.2)
    runs = tuple(replace(run, import_ns=3_000 * MS) for run in slow.runs)
    assert not wants_another(replace(slow, runs=runs), replace(PROTOCOL, processes=5))
    assert wants_another(replace(slow, runs=runs[:2]), replace(PROTOCOL, processes=5))


def test_what_was_spent_counts_every_inference():
    assert spent_secs(row(1.0, samples=100).runs) == pytest.approx(0.102)


def test_where_queries_overlap_the_time_that_they_took_together_was_spent():
    (offline,) = row(1.0, samples=400).runs
    run = replace(offline, queries={"samples": 400, "elapsed_ns": 100 * MS})
    assert spent_secs([run]) == pytest.approx(0.102)


def test_of_a_server_the_time_at_the_rate_that_it_reports_is_counted():
    tried = [{"target_qps": 10.0, "elapsed_ns": took * MS} for took in (300, 200)]
    queries = {**tried[-1], "attempts": tried, "prediction_elapsed_ns": 50 * MS}
    (run,) = row(90.0, samples=100).runs  # latencies with the waiting in them
    assert spent_secs([replace(run, queries=queries)]) == pytest.approx(0.202)
    hopeless = {"samples": 0, "elapsed_ns": 0, "attempts": [], "prediction_elapsed_ns": 50 * MS}
    assert spent_secs([replace(run, queries=hopeless)]) == pytest.approx(0.052)


def test_blocks_are_judged_again_by_all_that_the_session_saw():
    """A session that began beside a neighbor took its probes for the machine's best."""
    begun = Run(1, 1, (), (MS,) * 20, blocks=(Block(0, 20, (150, 150), (10, 10)),))
    later = Run(1, 1, (), (MS,) * 20, blocks=(Block(0, 20, (100, 100), (10, 10)),))
    probes = SessionProbes()
    probes.add("python", begun)
    assert probes.rejudge("python", begun).blocks[0].quiet
    for _ in range(20):
        probes.add("python", later)
    assert not probes.rejudge("python", begun).blocks[0].quiet
    assert probes.rejudge("python", later).blocks[0].quiet


def test_another_python_has_another_best():
    probes = SessionProbes()
    probes.add("one", Run(1, 1, (), (MS,), blocks=(Block(0, 1, (100, 100), (10, 10)),)))
    assert probes.sample("one") == ((100, 10),)
    assert probes.sample("other") == ()
