from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.analysis.pairing import compare_rows, times_of
from edgecnn.results import Load
from tests.unit.reporting import factory


def test_rows_of_one_session_are_compared_round_by_round():
    first, second = factory.measurement(), factory.measurement(slowdown=1.2)
    found = compare_rows(first, second)
    low, high = found.interval
    assert found.ratio.rounds == 5
    assert low < 1.2 < high
    assert found.different
    assert compare_rows(first, second, one_session=False).ratio.rounds == 0


def test_rows_without_rounds_are_compared_by_their_processes():
    first = factory.measurement()
    old = replace(first, runs=tuple(replace(run, round=0) for run in first.runs))
    found = compare_rows(old, old)
    assert found.ratio.rounds == 0
    assert not found.different


def test_one_process_on_a_side_has_no_interval_and_is_not_different():
    found = compare_rows(factory.measurement(processes=1), factory.measurement(slowdown=3))
    assert found.interval is None
    assert not found.different
    assert found.value == pytest.approx(3, rel=0.05)
    assert found.lack == "one process on one side, too few to compare"


def test_too_few_processes_are_named_before_a_neighbor():
    """More processes are what helps, and how busy the machine was is a matter of luck."""
    always = factory.watched(factory.measurement(processes=1), contended=1.0)
    found = compare_rows(always, always, one_session=False)
    assert found.disturbed
    assert found.lack == "one process on either side, too few to compare"
    always = factory.watched(factory.measurement(processes=5), contended=1.0)
    found = compare_rows(always, always, one_session=False)
    assert found.interval is None
    assert "a neighbor shared the core" in found.lack


def test_rows_without_samples_are_not_compared():
    empty = factory.measurement(runs=())
    assert compare_rows(empty, factory.measurement()) is None


def test_rates_that_broke_their_bound_are_left_out_and_impossible_ones_are_counted():
    row = factory.measurement(load=Load("server"), processes=3)
    queries = (
        {"samples": 10, "elapsed_ns": 10**9},
        {"samples": 10, "elapsed_ns": 10**9, "valid": False},
        {"samples": 10, "elapsed_ns": -5},
    )
    runs = tuple(replace(run, queries=one) for run, one in zip(row.runs, queries, strict=True))
    times = times_of(replace(row, runs=runs))
    assert times.every == ((0, 100.0),)
    assert times.broken == 1
