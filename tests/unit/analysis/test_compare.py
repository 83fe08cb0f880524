"""Each row of two results: faster, slower, less accurate, the same, or undecided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.analysis.compare import accuracy_change, classify_ratio, compare
from edgecnn.errors import InputError
from edgecnn.reporting import comparison
from edgecnn.results import Accuracy, Block, Load
from edgecnn.statistics.ratios import Ratio
from edgecnn.statistics.samples import wilson_interval
from tests.unit.reporting import factory


def test_a_result_compared_with_itself_has_not_changed(results):
    found = compare(results, results)
    assert not found.regressed
    assert all(change.ratio.estimate == 1 for change in found.changes)
    assert len(found.having("same")) == len(found.changes) == 46


@pytest.mark.parametrize(("slowdown", "outcome"), [(1.15, "worse"), (0.85, "better")])
def test_a_large_change_is_found_in_every_row(results, slowdown, outcome):
    found = compare(results, factory.sample(slowdown=slowdown, seed=9))
    assert len(found.having(outcome)) == len(found.changes)
    assert found.regressed == (outcome == "worse")


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [
        (1.10, 0.010, "worse"),
        (0.90, 0.010, "better"),
        (1.01, 0.003, "same"),
        (1.025, 0.0005, "same"),  # sure, and too small to matter
        (1.05, 0.030, "undecided"),
        (1.02, 0.006, "undecided"),
        (1.08, 0.028, "undecided"),  # its 95% interval leaves 1 out, its 99% interval does not
    ],
)
def test_a_change_counts_when_it_is_sure_and_large_enough(value, error, outcome):
    assert classify_ratio(Ratio(value, error, degrees=8), 0.03) == outcome


def test_nothing_is_decided_without_an_interval():
    assert classify_ratio(None, 0.03) == "undecided"


def single(results, *, verdict="VALID", slowdown=1.0):
    row = factory.measurement(processes=1, slowdown=slowdown, verdict=verdict)
    return replace(results, measurements=(row,))


@pytest.mark.parametrize("verdict", ["VALID", "NOISY"])
def test_one_process_on_a_side_is_never_called_faster_or_slower(results, verdict):
    found = compare(single(results, verdict=verdict), single(results, slowdown=1.5))
    (change,) = found.changes
    assert (change.outcome, change.ratio.low) == ("undecided", None)
    assert not found.regressed
    assert not found.complete
    assert comparison.verdict(found).startswith("Not decided: 0 slower")
    assert "too few to compare" in comparison.markdown(found)


def test_two_runs_of_which_one_has_a_single_process_are_undecided(results):
    several = replace(results, measurements=(factory.measurement(processes=5),))
    (change,) = compare(several, single(results)).changes
    assert change.outcome == "undecided"
    assert "on one side" in change.lack


def test_files_without_rounds_and_blocks_are_compared_with_new_ones(results):
    old = replace(
        results,
        schema_version=1,
        measurements=tuple(
            replace(row, runs=tuple(replace(run, round=0, blocks=()) for run in row.runs))
            for row in results.measurements
        ),
    )
    found = compare(old, factory.sample(seed=9))
    assert found.changes
    assert not found.regressed
    assert all(
        change.ratio.low < change.ratio.estimate < change.ratio.high for change in found.changes
    )


def test_disturbed_samples_are_compared_with_disturbed_samples(results):
    row = factory.measurement(samples=400)
    neighbor = replace(results, measurements=(factory.watched(row, 0.6, 2.0),))
    quiet = replace(results, measurements=(row,))
    (change,) = compare(neighbor, neighbor).changes
    assert change.before_ms == pytest.approx(0.31, rel=0.05)  # of the undisturbed machine
    (mixed,) = compare(quiet, neighbor).changes
    assert mixed.after_ms == pytest.approx(0.62, rel=0.05)  # all samples, as on the other side


def test_what_could_not_be_compared_is_counted_and_forbids_the_answer_no(results):
    rows = list(results.measurements)
    rows[1] = replace(rows[1], verdict="INVALID", reasons=("outputs contain NaN",))
    found = compare(replace(results, measurements=tuple(rows)), results)
    assert found.left_out == (
        ("lenet5.float32.tflite on litert:cpu ×1", "before: INVALID: outputs contain NaN"),
    )
    line = comparison.verdict(found)
    assert line.startswith("Not decided")
    assert "1 unusable on one side" in line
    assert "unusable on both" in line
    assert "outputs contain NaN" in comparison.html(found)


@pytest.mark.parametrize("time", [0, -5, float("nan")])
def test_samples_that_are_no_times_are_left_out_by_name(results, time):
    rows = list(results.measurements)
    broken = replace(rows[1].runs[0], samples_ns=(time,) * 9)
    rows[1] = replace(rows[1], runs=(broken, *rows[1].runs[1:]))
    other = replace(results, measurements=tuple(rows))
    for found in (compare(other, results), compare(results, other), compare(other, other)):
        assert [name for name, _ in found.left_out] == ["lenet5.float32.tflite on litert:cpu ×1"]
        assert not found.complete


def test_rows_that_are_nowhere_usable_do_not_stand_in_the_way(results):
    found = compare(results, factory.sample(seed=9))
    assert len(found.unusable) == 5
    assert found.complete
    assert comparison.verdict(found).startswith("No regression")


def test_a_result_compared_with_itself_says_that_it_is_the_same(results):
    assert any("own measurements" in note for note in compare(results, results).notes)


def test_a_difference_in_accuracy_is_judged_sample_by_sample(results):
    def scored(right, first=0):
        row = replace(factory.measurement(), accuracy=factory.answered(right, 1_000, first))
        return replace(results, measurements=(row,))

    (change,) = compare(scored(950), scored(935)).changes  # 15 lost, none gained
    assert change.accuracy_outcome == "worse"
    (change,) = compare(scored(950), scored(950, first=15)).changes  # 15 lost, 15 gained
    assert (change.accuracy_points, change.accuracy_outcome) == (0, "same")
    assert change.accuracy_interval[0] < -0.5


def test_a_row_that_stopped_working_is_a_regression(results):
    rows = list(results.measurements)
    rows[1] = replace(rows[1], status="crashed", runs=(), verdict=None, error="signal 11")
    found = compare(results, replace(results, measurements=tuple(rows)))
    assert found.regressed
    assert "signal 11" in found.failures[0][1]


def test_accuracy_lost_beyond_chance_is_a_regression(results):
    rows = list(results.measurements)
    rows[1] = replace(rows[1], accuracy=Accuracy("top1", 0.8, 360, wilson_interval(288, 360)))
    found = compare(results, replace(results, measurements=tuple(rows)))
    assert [change.name for change in found.less_accurate] == [
        "lenet5.float32.tflite on litert:cpu ×1"
    ]
    assert found.regressed


def test_a_small_accuracy_change_may_be_chance():
    before = Accuracy("top1", 355 / 360, 360, wilson_interval(355, 360))
    after = Accuracy("top1", 353 / 360, 360, wilson_interval(353, 360))
    points, (low, high), outcome = accuracy_change(before, after)
    assert low < points < high
    assert outcome == "undecided"
    assert accuracy_change(before, replace(after, metric="AP50")) is None


def test_differing_hardware_and_versions_are_notes(results):
    other = replace(factory.sample("Board"), environment=factory.environment("Board", "Other CPU"))
    notes = compare(results, other).notes
    assert any("cpu_model" in note for note in notes)


def test_throughput_is_compared_where_throughput_was_measured(results):
    def offline(rate: float):
        row = factory.measurement(load=Load("offline", streams=2))
        runs = tuple(
            replace(
                run,
                samples_ns=(),
                queries={"samples": 1000, "elapsed_ns": int(1e12 / (rate + i))},
            )
            for i, run in enumerate(row.runs)
        )
        return replace(results, measurements=(replace(row, runs=runs),))

    (change,) = compare(offline(1000), offline(800)).changes
    assert change.ratio.estimate == pytest.approx(1.25, rel=0.01)
    assert change.outcome == "worse"


def test_the_threshold_is_checked(results):
    with pytest.raises(InputError, match="threshold"):
        compare(results, results, 3)


def test_a_noisy_row_is_called_different_by_a_large_difference_only(results):
    def noisy(slowdown):
        row = factory.measurement(slowdown=slowdown, verdict="NOISY", processes=10)
        return replace(results, measurements=(row,))

    assert compare(noisy(1.0), noisy(1.06)).changes[0].outcome == "undecided"
    assert compare(noisy(1.0), noisy(1.3)).changes[0].outcome == "worse"


def test_a_neighbor_all_the_time_decides_nothing_between_two_sessions(results):
    row = factory.measurement(samples=400)
    quiet = replace(results, measurements=(factory.watched(row, 0.3),))
    never = replace(
        row,
        runs=tuple(
            replace(
                run,
                samples_ns=tuple(2 * ns for ns in run.samples_ns),
                blocks=(Block(0, len(run.samples_ns), (190_000, 190_000), quiet=False),),
            )
            for run in row.runs
        ),
    )
    (change,) = compare(quiet, replace(results, measurements=(never,))).changes
    assert change.outcome == "undecided"


@pytest.mark.parametrize("split", ["test", "validation", "train"])
def test_other_numbers_of_samples_are_refused_whatever_split_is_the_test(results, split):
    first, second = (
        replace(results, data={**results.data, "samples": {split: count}}) for count in (100, 90)
    )
    with pytest.raises(InputError, match="data samples 100 before, 90 after"):
        compare(first, second)
    assert compare(first, first).changes
