"""Which rows of two results belong together: by file and by what was asked; others are refused."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from edgecnn.analysis.compare import compare
from edgecnn.errors import InputError
from edgecnn.results import Load, Placement, RuntimeOptions
from tests.unit.reporting import factory


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


def test_rows_on_one_side_only_are_named(results):
    found = compare(results, replace(results, measurements=results.measurements[:3]))
    assert found.only_before
    assert not found.only_after
