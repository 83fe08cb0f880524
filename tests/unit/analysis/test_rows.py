from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgecnn.analysis.rows import collect, machine_labels, reproduce
from edgecnn.reporting.assets import read
from edgecnn.reporting.columns import COLUMNS, flat
from edgecnn.results import Accuracy, Load
from edgecnn.statistics.interval import UNKNOWN, Interval
from tests.unit.reporting import factory


def test_a_row_carries_what_was_measured(results):
    measured = results.measurements[1]
    row = collect([results])[1]
    assert row.p50 == pytest.approx(measured.latency.p50)
    assert is_between(row.speed.p50)
    assert is_between(row.speed.p90)
    assert row.speed.minimum == row.speed.quantiles[0]
    assert row.speed.maximum == row.speed.quantiles[-1]
    assert row.memory.peak_rss.low <= row.peak_rss
    assert row.correctness.accuracy_n == factory.N_TEST


def test_the_bounds_of_peak_memory_leave_out_the_same_as_the_estimate():
    results = factory.many(1, processes=3)
    (measured,) = results.measurements
    runs = [replace(run, rss_bytes={**run.rss_bytes, "bare": 30_000_000}) for run in measured.runs]
    row = collect([replace(results, measurements=(replace(measured, runs=tuple(runs)),))])[0]
    peaks = [run.rss_bytes["peak"] - 11_000_000 for run in measured.runs]
    assert (row.memory.peak_rss.low, row.peak_rss) == (min(peaks), max(peaks))


def is_between(value: Interval) -> bool:
    return value.low <= value.estimate <= value.high


def test_a_column_is_a_value_of_a_group_and_an_interval_is_three(results):
    row = collect([results])[1]
    values = flat(row)
    assert values["p90"] == row.speed.p90.estimate
    assert (values["p90_low"], values["p90_high"]) == row.speed.p90.bounds
    assert values["provider"] == row.execution.provider
    assert not {"speed", "times", "record"} & values.keys()


def test_every_column_that_a_page_script_reads_exists():
    """`row.NAME` in the scripts is a column, or what the page adds itself."""
    added = {"configuration", "measured", "timed", "alone", "lack", "label", "pair_label", "short"}
    added |= {"work"}
    read_by_scripts = set()
    for name in ("answer.js", "columns.js", "table.js", "charts.js"):
        text = read(name)
        read_by_scripts |= set(re.findall(r"\b(?:row|best|other)\.([a-z]\w*)\b(?!\()", text))
        read_by_scripts |= set(re.findall(r'\b(?:low|high): "(\w+)"', text))
    by_scripts = {"allowed", "best", "search"}
    assert {"p50_low", "drop_bound", "peak_rss_low"} <= read_by_scripts
    assert read_by_scripts - COLUMNS.keys() - added == by_scripts


def test_a_tail_that_the_samples_do_not_allow_is_missing():
    row = collect([factory.many(1, samples=20, processes=1)])[0]
    assert row.p50 is not None
    assert row.speed.p90.estimate is None
    assert row.speed.p99.estimate is None


def test_the_baseline_is_the_keras_row_of_the_same_model(results):
    rows = collect([results])
    keras = rows[0]
    assert keras.format == "keras"
    for row in rows:
        if row.timed and row.batch == 1:
            speedup = row.speed.speedup
            assert speedup.estimate == pytest.approx(keras.p50 / row.p50, rel=0.05)
            assert is_between(speedup)
            assert row.drop == pytest.approx(100 * (keras.accuracy - row.accuracy))


def test_without_a_keras_row_accuracy_is_compared_with_float32_and_speed_with_nothing(results):
    rest = replace(results, measurements=results.measurements[1:])
    rows = collect([rest])
    assert all(row.speed.speedup == UNKNOWN for row in rows)
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
    assert offline.speed.speedup == UNKNOWN


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
    assert (row.energy, row.cost.macs, row.cost.moved) == (0.002, 1000, 50)
    assert row.cost.operators == (("conv", 0.8),)
    assert row.speed.sustained[0][:2] == (1, 2.0)
    assert row.memory.leak is None


def test_the_command_of_a_row_is_quoted_for_a_shell(hostile):
    import shlex

    from edgecnn.results.repeat import repeat_command
    from edgecnn.text import printable

    quoted = 0
    for measurement in hostile.measurements:
        words = repeat_command(measurement, hostile.repeat, hostile.protocol, hostile.data)
        expected = [printable(word) for word in words]
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
        for value in flat(row).values():
            if isinstance(value, str):
                assert value.isprintable()


def test_the_interval_of_a_tail_comes_from_processes(results):
    measured = factory.measurement(processes=1, samples=900)
    one = collect([replace(results, measurements=(measured,))])[0].speed
    assert one.p99.estimate is not None
    assert (one.p90.bounds, one.p99.bounds) == (None, None)
    five = collect([replace(results, measurements=(factory.measurement(samples=900),))])[0]
    assert is_between(five.speed.p99)
