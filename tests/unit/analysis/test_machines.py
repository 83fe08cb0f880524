from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.analysis.machines import distinct, facts, mark_incomparable, pairs
from edgecnn.analysis.rows import collect, machine_labels
from edgecnn.reporting import extract
from edgecnn.reporting.charts import catalog as charts
from tests.unit.reporting import factory


@pytest.fixture
def board():
    return factory.sample("Board", 2.0, 3)


def marked(*results):
    return mark_incomparable(results, collect(results), machine_labels(results))


def test_one_file_has_nothing_incomparable(results):
    rows, notes = marked(results)
    assert notes == []
    assert not any(row.incomparable for row in rows)


def test_files_measured_alike_are_compared(results, board):
    rows, notes = marked(results, board)
    assert notes == []
    names = [pair for _, pair, _ in charts.labels(rows)]
    found = pairs(rows, 2, names)
    assert len(found) == sum(row.timed for row in rows) / 2
    for pair in found:
        found = pair.difference(1)
        low, high = found.interval
        assert low <= found.value <= high
        assert found.value == pytest.approx(2.0, rel=0.05)
        assert found.different


def test_another_file_under_the_same_name_is_not_comparable(results, board):
    first = board.measurements[1]
    other = replace(first, artifact=replace(first.artifact, sha256="ff" * 32))
    rows, notes = marked(results, replace(board, measurements=(other, *board.measurements[2:])))
    assert [note.incomparable for note in notes] == [True]
    assert first.artifact.name in notes[0].text
    assert all(row.incomparable for row in rows if row.provenance.sha256 == "ff" * 32)


@pytest.mark.parametrize(
    "change", [{"data": {"name": "mnist", "sha256": "aa"}}, {"schema_version": 0}]
)
def test_a_file_with_other_data_or_schema_is_not_comparable(results, board, change):
    rows, notes = marked(results, replace(board, **change))
    assert notes[0].incomparable
    assert all(bool(row.incomparable) == (row.machine == 1) for row in rows)


def test_other_threads_have_no_counterpart_and_are_named(results):
    rows, notes = marked(results, factory.sample("Board", 2.0, 3, (4,)))
    assert all(note.incomparable and "threads" in note.text for note in notes)
    assert notes
    names = [pair for _, pair, _ in charts.labels(rows)]
    assert {pair.rows[1].threads for pair in pairs(rows, 2, names)} == {1}  # Keras and batches


def test_another_protocol_is_a_note_alone(results, board):
    rows, notes = marked(results, replace(board, protocol={"name": "quick"}))
    assert [note.incomparable for note in notes] == [False]
    assert not any(row.incomparable for row in rows)


def test_facts_that_differ_are_marked(results, board):
    by_name = {fact.name: fact for fact in facts([results, board])}
    assert by_name["board"].differs
    assert not by_name["cpu model"].differs
    assert by_name["memory bytes"].values == ("16.0 GB", "16.0 GB")


def test_the_same_file_given_twice_is_one_machine(results, board):
    kept, notes = distinct([results, board, results])
    assert kept == [results, board]
    assert [note.incomparable for note in notes] == [False]
    assert notes[0].text == (
        "Results 3 of 3 are the same measurements as results 1; they count once."
    )


def test_a_copy_with_fewer_samples_or_rows_is_no_machine_of_its_own(results):
    (thinned,) = extract.unpack(extract.pack([results], 5_000))
    part = replace(results, measurements=results.measurements[:5])
    assert distinct([part, results, thinned])[0] == [results]


def test_a_file_before_it_was_gone_on_with_is_no_machine_of_its_own(results):
    """A later session dates the file, and adds processes to its rows."""
    fewer = [replace(row, runs=row.runs[:1]) for row in results.measurements]
    earlier = replace(results.environment, created_at="2026-01-02T03:04:05+00:00")
    before = replace(results, measurements=tuple(fewer), environment=earlier)
    assert distinct([before, results])[0] == [results]


def test_machines_on_which_nothing_could_be_measured_are_told_apart_by_their_date(results):
    failed = [replace(row, runs=(), status="failed") for row in results.measurements]
    first = replace(results, measurements=tuple(failed))
    environment = replace(results.environment, created_at="2026-01-02T03:04:05+00:00")
    second = replace(first, environment=environment)
    assert distinct([first, second])[0] == [first, second]


def test_two_runs_of_one_command_are_two_results(results):
    again = factory.sample(seed=2)
    assert distinct([results, again])[0] == [results, again]
    assert distinct([replace(results, measurements=()), results])[0][-1] == results


def of_one_recipe(results, *names: str, sha256: str = ""):
    """Rows of several files of one parent and one recipe, each twice as slow as the last."""
    rows = []
    for number, name in enumerate(names):
        row = factory.measurement(slowdown=2.0**number)
        digest = sha256 or name[4:5] * 64
        artifact = replace(row.artifact, name=name, sha256=digest, parent_sha256="aa" * 32)
        rows.append(replace(row, artifact=artifact))
    return replace(results, measurements=tuple(rows))


def paired(*results):
    rows, _ = marked(*results)
    return pairs(rows, len(results), [pair for _, pair, _ in charts.labels(rows)])


def test_only_rows_of_the_same_file_are_side_by_side(results):
    both, one = of_one_recipe(results, "net.one", "net.two"), of_one_recipe(results, "net.one")
    for files in ((both, one), (one, both)):
        (pair,) = paired(*files)
        assert [row.artifact for row in pair.rows] == ["net.one", "net.one"]
        assert pair.label == "net.one · litert:cpu"
    assert paired(of_one_recipe(results, "net.two"), one) == []


def test_files_of_one_name_are_each_side_by_side_with_themselves(results):
    first, second = (of_one_recipe(results, "model", sha256=digit * 64) for digit in "12")
    both = replace(results, measurements=first.measurements + second.measurements)
    for files in ((both, both), (both, second)):
        found = paired(*files)
        assert [pair.label for pair in found] == [
            f"model {digit * 8} · litert:cpu" for digit in "12"[-len(found) :]
        ]
        assert all(len({row.provenance.sha256 for row in pair.rows}) == 1 for pair in found)


def test_rows_of_other_shapes_are_not_side_by_side(results):
    asked = factory.asked()
    found = paired(asked, replace(asked, measurements=asked.measurements[1:]))
    assert len(found) == 4
    assert all(one.shape == two.shape for one, two in (pair.rows for pair in found))
