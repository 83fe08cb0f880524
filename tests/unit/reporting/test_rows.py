from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.reporting.rows import collect, machine_labels, reproduce
from edgecnn.results import Accuracy, Load
from tests.unit.reporting import factory


def test_a_row_carries_what_was_measured(results):
    measured = results.measurements[1]
    row = collect([results])[1]
    assert row.p50 == pytest.approx(measured.latency.p50)
    assert row.p50_low <= row.p50 <= row.p50_high
    assert row.p90_low <= row.p90 <= row.p90_high
    assert row.minimum == row.quantiles[0]
    assert row.maximum == row.quantiles[-1]
    assert row.peak_rss_low <= row.peak_rss
    assert row.accuracy_n == factory.N_TEST


def test_a_tail_that_the_samples_do_not_allow_is_missing():
    row = collect([factory.many(1, samples=20, processes=1)])[0]
    assert row.p50 is not None
    assert row.p90 is None
    assert row.p99 is None


def test_the_baseline_is_the_keras_row_of_the_same_model(results):
    rows = collect([results])
    keras = rows[0]
    assert keras.format == "keras"
    for row in rows:
        if row.timed and row.batch == 1:
            assert row.speedup == pytest.approx(keras.p50 / row.p50, rel=0.05)
            assert row.speedup_low <= row.speedup <= row.speedup_high
            assert row.drop == pytest.approx(100 * (keras.accuracy - row.accuracy))


def test_without_a_keras_row_accuracy_is_compared_with_float32_and_speed_with_nothing(results):
    rest = replace(results, measurements=results.measurements[1:])
    rows = collect([rest])
    assert all(row.speedup is None for row in rows)
    assert any(row.drop == 0 and row.recipe == "float32" for row in rows)


def test_accuracies_on_different_numbers_of_samples_are_not_compared(results):
    measurements = list(results.measurements)
    measurements[1] = replace(measurements[1], accuracy=Accuracy("top1", 0.9, 10, (0.6, 0.98)))
    row = collect([replace(results, measurements=tuple(measurements[:2]))])[1]
    assert row.drop is None


def test_every_unusable_row_says_why_and_what_to_do(results):
    for row in collect([results]):
        if not row.measured:
            assert row.reason
            assert row.advice


def test_a_throughput_scenario_gets_no_speed_up():
    row = factory.measurement(load=Load("offline", streams=2))
    run = replace(row.runs[0], queries={"samples": 100, "elapsed_ns": 10**9})
    keras = factory.measurement(file_format="keras", runtime="keras")
    results = replace(factory.sample(), measurements=(keras, replace(row, runs=(run,))))
    offline = collect([results])[1]
    assert offline.measured
    assert not offline.timed
    assert offline.throughput == pytest.approx(100)
    assert offline.speedup is None


def test_passes_reach_the_row(results):
    first = results.measurements[1]
    passes = {
        "energy": {"joules_per_inference": 0.002},
        "cost": {"macs": 1000, "bytes_moved": 50},
        "ops": {"operators": [{"name": "conv", "type": "CONV_2D", "share": 0.8}, {"share": "x"}]},
        "sustained": {"buckets": [{"minute": 1, "p50_ms": 2.0, "temperature_c": None}]},
        "memory": {"growth_bytes": "many"},
    }
    runs = (replace(first.runs[0], passes=passes), *first.runs[1:])
    row = collect([replace(results, measurements=(replace(first, runs=runs),))])[0]
    assert (row.energy, row.macs, row.moved) == (0.002, 1000, 50)
    assert row.operators == (("conv", 0.8),)
    assert row.sustained[0][:2] == (1, 2.0)
    assert row.leak is None


def test_the_command_of_a_row_is_quoted_for_a_shell(hostile):
    import shlex

    from edgecnn.repeat import repeat_command
    from edgecnn.reporting.text import harmless

    quoted = 0
    for measurement in hostile.measurements:
        words = repeat_command(measurement, hostile.repeat, hostile.protocol, hostile.data)
        expected = [harmless(word) for word in words]
        assert shlex.split(reproduce(measurement, hostile)) == expected
        quoted += any(shlex.quote(word) != word for word in expected)
    assert quoted  # there was something to quote


def test_machines_of_the_same_name_are_numbered(results):
    assert machine_labels([results, results]) == [
        "Sample CPU @ 2.10GHz #1",
        "Sample CPU @ 2.10GHz #2",
    ]


def test_no_row_holds_a_steering_character(hostile):
    for row in collect([hostile]):
        for value in vars(row).values():
            if isinstance(value, str):
                assert value.isprintable()


def test_the_interval_of_a_tail_comes_from_processes(results):
    one = collect([replace(results, measurements=(factory.measurement(processes=1, samples=900),))])
    assert one[0].p99 is not None
    assert (one[0].p90_low, one[0].p99_low) == (None, None)
    five = collect([replace(results, measurements=(factory.measurement(samples=900),))])[0]
    assert five.p99_low <= five.p99 <= five.p99_high
