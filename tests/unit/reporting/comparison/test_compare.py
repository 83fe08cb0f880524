from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from rich.console import Console

from edgecnn.errors import InputError
from edgecnn.reporting.comparison import rendering as comparison
from edgecnn.reporting.comparison.compare import (
    Comparison,
    RowChange,
    accuracy_change,
    compare,
    judge,
)
from edgecnn.results import Accuracy, Block, Load, Placement, RuntimeOptions
from edgecnn.statistics.interval import Interval
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
    assert judge(Ratio(value, error, degrees=8), 0.03) == outcome


def test_nothing_is_decided_without_an_interval():
    assert judge(None, 0.03) == "undecided"


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
    assert "too few to say anything about the machine" in comparison.markdown(found)


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


def test_a_repeat_on_the_same_machine_is_reproduced_or_not_by_how_much(results):
    def again(slowdown, seed, processes=10):
        rng = np.random.default_rng(seed)
        row = factory.measurement(slowdown=slowdown, rng=rng, processes=processes)
        return replace(results, measurements=(row,))

    first = again(1.0, 1)
    assert comparison.reproduced(compare(first, again(1.0, 2))).startswith("Reproduced: ")
    line = comparison.reproduced(compare(first, again(1.2, 3)))
    assert line.startswith("Not reproduced (1 of 1): lenet5.float32.tflite on litert:cpu ×1 is ")
    assert "% slower [" in line
    one = comparison.reproduced(compare(first, again(1.0, 4, processes=1)))
    assert one.startswith("Undecided whether it is reproduced (1 of 1)")
    assert "--processes" in one


def test_another_machine_or_other_software_is_no_repeat(results):
    other = replace(results, environment=factory.environment("Board", "Other CPU"))
    assert comparison.reproduced(compare(results, other)) == ""


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


@pytest.mark.parametrize("change", [{"data": {"name": "mnist"}}, {"schema_version": 0}])
def test_other_data_or_schema_is_refused_unless_forced(results, change):
    other = replace(results, **change)
    with pytest.raises(InputError, match="must not be compared"):
        compare(results, other)
    forced = compare(results, other, allow_differences=True)
    assert forced.changes
    assert any("compared although" in note for note in forced.notes)


@pytest.mark.parametrize(
    "change", [{"samples": {"test": 4}}, {"samples": {"train": 4, "test": 4}, "set_apart": 4}]
)
def test_another_part_of_the_same_data_is_refused(results, change):
    """The samples that calibrated a file count for no accuracy, and the sha256 is the same."""
    before = replace(results, data={**results.data, "samples": {"test": 8}})
    other = replace(before, data={**before.data, **change})
    with pytest.raises(InputError, match=r"data samples 8 before, 4 after"):
        compare(before, other)
    whole = replace(before, data={**results.data, "samples": {"validation": 8}})
    apart = replace(other, data={**results.data, "samples": {"validation": 8}, "set_apart": 4})
    with pytest.raises(InputError, match=r"data set_apart None before, 4 after"):
        compare(whole, apart)


def test_results_that_do_not_say_how_many_samples_there_were_are_compared(results):
    other = replace(results, data={**results.data, "samples": {"test": 8}})
    assert compare(results, other).changes


def test_another_model_file_is_refused_row_by_row(results):
    rows = list(results.measurements)
    rows[1] = replace(rows[1], artifact=replace(rows[1].artifact, sha256="ff" * 32))
    other = replace(results, measurements=tuple(rows))
    found = compare(results, other)
    assert [reason for _, reason in found.refused if "sha256" in reason]
    assert len(found.changes) == 45
    assert len(compare(results, other, allow_differences=True).changes) == 46


def file_named_alike(results, **slowdowns: float):
    """Rows of several files of one name, each with a hash of its own."""
    rows = []
    for content, slowdown in slowdowns.items():
        row = factory.measurement(slowdown=slowdown)
        rows.append(replace(row, artifact=replace(row.artifact, sha256=content * 64)))
    return replace(results, measurements=tuple(rows))


def test_files_of_one_name_are_each_compared_with_themselves(results):
    before = file_named_alike(results, a=1.0, b=1.0)
    after = file_named_alike(results, b=1.0, a=1.5)
    for found in (compare(before, after), compare(before, after, allow_differences=True)):
        assert {change.name[-9:-1]: change.outcome for change in found.changes} == {
            "aaaaaaaa": "worse",
            "bbbbbbbb": "same",
        }
        assert found.regressed


def test_of_files_of_one_name_the_one_that_changed_is_refused(results):
    found = compare(
        file_named_alike(results, a=1.0, b=1.0), file_named_alike(results, b=1.0, c=1.0)
    )
    assert len(found.changes) == 1
    ((name, reason),) = found.refused
    assert "aaaaaaaa" in name
    assert reason.startswith("the model file differs")


def test_files_of_one_name_that_all_changed_are_refused_and_not_guessed(results):
    before = file_named_alike(results, a=1.0, b=1.0)
    for after in (
        file_named_alike(results, c=1.0, d=1.0),
        file_named_alike(results, c=1.0),
    ):
        found = compare(before, after, allow_differences=True)
        assert not found.complete
        assert not found.changes
        assert ["which belong together" in reason for _, reason in found.refused] == [True, True]


def test_other_options_of_files_of_one_name_are_told_apart_by_content(results):
    before, after = (file_named_alike(results, a=1.0, b=1.0) for _ in range(2))
    rows = tuple(replace(row, options=RuntimeOptions(threads=2)) for row in after.measurements)
    found = compare(before, replace(after, measurements=rows))
    assert [reason for _, reason in found.refused] == ["threads: 1 before, 2 after"] * 2


SERVER = Load("server", target_qps=100.0)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({"threads": 1}, {"threads": 2}, "threads: 1 before, 2 after"),
        ({"affinity": ()}, {"affinity": (0, 1)}, "affinity: none before, 0,1 after"),
        (
            {"scenario": "single_stream"},
            {"scenario": "multi_stream", "streams": 8},
            "scenario: single_stream before, multi_stream after; streams: 1 before, 8 after",
        ),
        ({"batch": 1}, {"batch": 8}, "batch: 1 before, 8 after"),
        (
            {"precision": "default"},
            {"precision": "strict_float32"},
            "precision: default before, strict_float32 after",
        ),
        (
            {"scenario": "server", "latency_bound_ms": 15.0},
            {"scenario": "server", "latency_bound_ms": 50.0},
            "latency bound ms: 15 before, 50 after",
        ),
    ],
)
def test_what_was_asked_differently_is_refused_row_by_row(results, before, after, reason):
    one, two = (replace(results, measurements=(answered(**asked),)) for asked in (before, after))
    found = compare(one, two)
    assert found.changes == ()
    assert [why for _, why in found.refused] == [reason]
    (forced,) = compare(one, two, allow_differences=True).changes
    assert reason in forced.name


def answered(**asked: object):
    """A row of which that was asked, with as many queries answered as there are samples."""
    kinds = {"options": RuntimeOptions, "placement": Placement, "load": Load}
    parts = {
        part: kind(**{name: asked[name] for name in asked.keys() & kind.__dataclass_fields__})
        for part, kind in kinds.items()
    }
    row = factory.measurement(**parts)
    runs = [
        replace(run, queries={"samples": len(run.samples_ns), "elapsed_ns": sum(run.samples_ns)})
        for run in row.runs
    ]
    return replace(row, runs=tuple(runs))


def test_a_sweep_finds_its_own_rows_and_refuses_the_odd_one(results):
    def sweep(*threads: int):
        rows = [factory.measurement(threads=count) for count in threads]
        return replace(results, measurements=tuple(rows))

    found = compare(sweep(1, 2), sweep(1, 4))
    assert len(found.changes) == 1
    assert [why for _, why in found.refused] == ["threads: 2 before, 4 after"]


def test_rows_that_could_belong_to_several_are_not_guessed(results):
    one = replace(results, measurements=(factory.measurement(threads=1),))
    rows = tuple(factory.measurement(threads=count) for count in (2, 4))
    found = compare(one, replace(results, measurements=rows))
    assert not found.refused
    assert len(found.only_before) == 1
    assert len(found.only_after) == 2


def test_servers_at_two_rates_are_two_rows(results):
    rows = tuple(answered(**asdict(replace(SERVER, target_qps=rate))) for rate in (100.0, 200.0))
    both = replace(results, measurements=rows)
    assert len(compare(both, both).changes) == 2


def test_rows_that_were_asked_differently_have_names_of_their_own():
    asked = factory.asked()
    found = compare(asked, asked)
    names = {
        change.name.removeprefix("lenet5.float32.tflite on litert:cpu ×")
        for change in found.changes
    }
    assert {"1", "1 shape 1x3x320x320", "1 server 1 100 qps bound 7.5 ms"} <= names
    assert len(names) == len(asked.measurements)


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


def test_rows_on_one_side_only_are_named(results):
    found = compare(results, replace(results, measurements=results.measurements[:3]))
    assert found.only_before
    assert not found.only_after


def test_the_threshold_is_checked(results):
    with pytest.raises(InputError, match="threshold"):
        compare(results, results, 3)


@pytest.mark.parametrize("slowdown", [1.0, 1.15])
def test_renderings_say_the_answer(results, slowdown):
    found = compare(results, factory.sample(slowdown=slowdown, seed=9))
    answer = "Regression" if slowdown > 1 else "No regression"
    console = Console(width=100)
    with console.capture() as said:
        console.print(comparison.terminal(found))
    assert answer in said.get()
    assert comparison.markdown(found).startswith(f"**{answer}")
    assert answer in comparison.html(found)
    assert json.loads(comparison.summary(found))["regressed"] == (slowdown > 1)


def one_change(bounds, processes=(5, 5), lack=""):
    """A comparison of one row at 1.02 times its time, undecided."""
    change = RowChange(
        "row", 1.0, 1.02, Interval.around(1.02, bounds), "undecided", False, lack, processes
    )
    return Comparison((change,), 0.025)


def test_a_side_that_was_disturbed_all_the_time_is_not_called_too_few_processes():
    said = comparison.markdown(one_change(None, lack="a neighbor shared the core"))
    assert "too few processes" not in said
    assert "Undecided: row: a neighbor shared the core; measure on a quieter machine" in said
    few = comparison.markdown(one_change(None, (1, 5), "one process on one side"))
    assert "one process on one side; measure with --processes 5" in few


@pytest.mark.parametrize(
    ("bounds", "answer"),
    [((0.99, 1.02), "No regression: "), ((0.8, 2.8), "No regression found: ")],
)
def test_an_interval_that_does_not_exclude_a_regression_is_heard(bounds, answer):
    said = comparison.verdict(one_change(bounds))
    assert said.startswith(answer)
    assert "(threshold 2.5%)" in said


def test_hostile_names_break_no_rendering(hostile):
    found = compare(hostile, hostile)
    page = comparison.html(found)
    assert "<script" not in page
    assert "<img" not in page
    for line in comparison.markdown(found).splitlines():
        assert "<script" not in line.replace("\\<", "")  # written out, it is text in Markdown
    json.loads(comparison.summary(found))


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
