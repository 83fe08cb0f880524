"""A results file that grows between two imports: each row once, with its own label and versions."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from edgecnn.results import Measurement, Results
from edgecnn.store.sql import MeasurementFilter
from edgecnn.store.sql.packed import pack
from edgecnn.store.sql.tables import measurements
from edgecnn.store.sql.writing import _insert_rows
from tests.unit.store import made_up


def failed(row: Measurement, status: str = "timeout") -> Measurement:
    return replace(row, runs=(), status=status, error="no end after 60 s")


def continued(results: Results, *rows: Measurement, day: int = 2, **packages: str) -> Results:
    """The file of `results` after another benchmark into it: its date is that of the last one."""
    environment = made_up.session(day, packages=packages).environment
    return replace(results, measurements=rows, environment=environment)


def rows_by_label(database) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in database.sessions():
        found.setdefault(each.label, []).append(each.rows)
    return found


def test_a_row_that_failed_and_is_measured_later_is_stored_once(database, tmp_path):
    whole = made_up.session(1, rows=2)
    good, retried = whole.measurements
    first = database.add(replace(whole, measurements=(good, failed(retried))))
    second = database.add(continued(whole, good, retried))
    assert (second.new, second.grown, second.known) == (0, 1, 1)
    loaded = database.load(first.session)
    loaded.save(tmp_path / "out.json")
    read = Results.load(tmp_path / "out.json")
    assert not read.left_out
    assert [row.status for row in read.measurements] == ["ok", "ok"]
    assert len(database.history(MeasurementFilter("net1"))[0].points) == 1


def test_a_row_that_crashed_after_some_processes_is_replaced_too(database):
    whole = made_up.session(1, rows=2)
    good, retried = whole.measurements
    later = made_up.session(2, rows=2).measurements[1]
    crashed = replace(retried, runs=retried.runs[:2], status="crashed", error="it ended")
    database.add(replace(whole, measurements=(good, crashed)))
    added = database.add(continued(whole, good, later))
    statuses = [row.status for row in database.load(added.session).measurements]
    assert statuses == ["ok", "ok"]


def test_unsupported_rows_do_not_double_with_each_import(database):
    whole = made_up.session(1, rows=3)
    good, *others = whole.measurements
    unsupported = [failed(row, "unsupported") for row in others]
    database.add(replace(whole, measurements=(good, *unsupported)))
    for day in (2, 3):
        added = database.add(continued(whole, good, *unsupported, day=day))
        assert (added.new, added.grown, added.known) == (0, 0, 3)
        assert rows_by_label(database) == {"main": [3]}


def test_an_older_copy_of_the_file_brings_no_failed_row_back(database):
    whole = made_up.session(1, rows=2)
    good, retried = whole.measurements
    database.add(continued(whole, good, retried))
    added = database.add(replace(whole, measurements=(good, failed(retried))))
    assert (added.new, added.grown, added.known) == (0, 0, 2)
    assert [row.status for row in database.load(added.session).measurements] == ["ok", "ok"]


def test_a_session_that_an_older_edgecnn_stored_twice_is_exported_with_the_measured_row(database):
    whole = made_up.session(1, rows=2)
    good, retried = whole.measurements
    added = database.add(replace(whole, measurements=(good, failed(retried))))
    rows = pack(whole).rows
    with database.engine.begin() as connection:  # as it was done before
        _insert_rows(connection, [(added.session, rows[1])], {})
        assert connection.execute(sa.select(sa.func.count(measurements.c.id))).scalar() == 3
    rows_read = database.load(added.session).measurements
    assert [(row.key, row.status) for row in rows_read] == [(good.key, "ok"), (retried.key, "ok")]


def test_a_file_that_is_continued_on_a_branch_leaves_the_baseline_to_main(database):
    whole = made_up.session(1, rows=2)
    first, second = whole.measurements
    database.add(replace(whole, measurements=(first,)), label="main", commit="aaa")
    grown = continued(whole, first, second, day=1)
    added = database.add(grown, label="my-branch", commit="bbb")
    assert (added.new, added.known, added.relabeled) == (1, 1, False)
    assert rows_by_label(database) == {"main": [1], "my-branch": [1]}
    assert {each.label: each.commit for each in database.sessions()} == {
        "main": "aaa",
        "my-branch": "bbb",
    }
    again = database.add(grown, label="my-branch", commit="bbb")
    assert (again.known, again.relabeled) == (2, False)
    assert rows_by_label(database) == {"main": [1], "my-branch": [1]}
    (stored,) = database.baselines(made_up.session(9), "main")
    assert len(stored.rows) == 1


def test_a_branch_that_was_merged_gets_the_label_of_main(database):
    whole = made_up.session(1, rows=2)
    first, second = whole.measurements
    database.add(replace(whole, measurements=(first,)))
    grown = continued(whole, first, second)
    database.add(grown, label="my-branch")
    assert database.add(grown, label="main").relabeled
    assert rows_by_label(database) == {"main": [1, 1]}


def test_a_row_that_is_retried_on_a_branch_is_the_branch_s(database):
    whole = made_up.session(1, rows=2)
    good, retried = whole.measurements
    database.add(replace(whole, measurements=(good, failed(retried))), label="main")
    database.add(continued(whole, good, retried), label="my-branch")
    assert rows_by_label(database) == {"main": [1], "my-branch": [1]}


def test_new_rows_are_shown_with_the_versions_that_they_ran_on(database):
    whole = made_up.session(1, rows=2, packages={"litert": "2.3.0"})
    first, second = whole.measurements
    database.add(replace(whole, measurements=(first,)))
    database.add(continued(whole, first, second, litert="2.4.0"))
    versions = {
        name: database.history(MeasurementFilter(name))[0].points[0].versions["litert"]
        for name in ("net0", "net1")
    }
    assert versions == {"net0": "2.3.0", "net1": "2.4.0"}


def test_a_machine_that_is_named_later_is_that_of_what_is_known(database):
    database.add(made_up.session(1))
    assert database.add(made_up.session(1), machine="left").renamed
    assert [each.machine for each in database.sessions()] == ["left"]
    assert not database.add(made_up.session(1)).renamed
    assert [each.machine for each in database.sessions()] == ["left"], "said once"


def test_rows_that_join_later_stay_on_the_machine_that_was_named(database):
    whole = made_up.session(1, rows=2)
    first, second = whole.measurements
    database.add(replace(whole, measurements=(first,)), machine="left")
    database.add(continued(whole, first, second), label="my-branch")
    assert [each.machine for each in database.sessions()] == ["left", "left"]
