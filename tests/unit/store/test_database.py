"""The database keeps what a results file holds, once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import threading
import zlib
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from edgecnn.errors import InputError
from edgecnn.results import Results
from edgecnn.store import open_database
from edgecnn.store.sql import MeasurementFilter, opening, pack, pruning, writing
from edgecnn.store.sql.tables import configurations, details, measurements
from tests.unit.reporting import factory, hostile_results
from tests.unit.store import made_up


def as_json(results: Results) -> object:
    return json.loads(json.dumps(results.to_dict()))


def test_a_session_comes_back_as_it_was_saved(database):
    results = factory.sample()
    added = database.add(results)
    assert added.new == len(results.measurements)
    assert as_json(database.load(added.session)) == as_json(results)


def test_names_that_break_out_of_formats_are_kept_and_harm_nothing(database, tmp_path):
    hostile_results.hostile().save(tmp_path / "hostile.json")
    results = Results.load(tmp_path / "hostile.json")
    added = database.add(results, label="x' OR 1=1 --", machine="\x00'; DROP TABLE sessions; --")
    assert as_json(database.load(added.session)) == as_json(results)
    assert database.sessions("x' OR 1=1 --")


def test_the_same_results_are_stored_once(database):
    first = database.add(made_up.session(1, rows=3))
    again = database.add(made_up.session(1, rows=3))
    assert (first.new, again.new, again.known) == (3, 0, 3)
    assert again.session == first.session
    assert [each.rows for each in database.sessions()] == [3]


def test_a_file_that_was_continued_replaces_its_rows_and_adds_the_new_ones(database):
    whole = made_up.session(1, rows=3)
    part = replace(
        whole,
        measurements=(
            replace(whole.measurements[0], runs=whole.measurements[0].runs[:2]),
            whole.measurements[1],
        ),
    )
    first = database.add(part)
    second = database.add(whole)
    assert (second.new, second.grown, second.known) == (1, 1, 1)
    assert second.session == first.session
    loaded = database.load(first.session)
    assert {row.key for row in loaded.measurements} == {row.key for row in whole.measurements}
    assert all(len(row.runs) == 5 for row in loaded.measurements)


def test_a_second_import_can_change_the_label(database):
    database.add(made_up.session(1), label="my-branch")
    assert database.add(made_up.session(1), label="main").relabeled
    assert database.labels() == ["main"]


def _import_one(address: str, day: int) -> None:
    with open_database(address) as database:
        database.add(made_up.session(day % 3, rows=4))


def test_clients_that_import_at_the_same_time_lose_and_double_nothing(address):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(_import_one, [(address, day) for day in range(6)])
    with open_database(address) as database:
        assert [each.rows for each in database.sessions()] == [4] * 3
        with database.engine.connect() as connection:
            count = sa.select(sa.func.count()).select_from(configurations)
            assert connection.execute(count).scalar() == 4


def test_a_history_follows_a_configuration_by_time_whatever_the_order_of_import(database):
    for day in (3, 1, 2):
        database.add(made_up.session(day, rows=2))
    (series,) = database.history(MeasurementFilter("net1"))
    assert series.name == "net1.float32.tflite on litert:cpu ×1"
    assert [point.at for point in series.points] == sorted(point.at for point in series.points)
    assert len(series.points) == 3


def test_a_planted_slowdown_is_found_with_the_versions_that_changed_there(database):
    for day in range(24):
        later = day >= 14
        database.add(
            made_up.session(
                day, 1.06 if later else 1.0, packages={"litert": "2.4.0" if later else "2.3.0"}
            )
        )
    (series,) = database.history(MeasurementFilter("net0"))
    (change,) = series.changes
    assert change.index == 14
    assert change.low <= 1.06 <= change.high
    assert series.is_worse(change)
    assert [str(each) for each in series.versions_at(change)] == ["litert 2.3.0 → 2.4.0"]


def test_machines_are_series_of_their_own(database):
    for day in range(4):
        database.add(made_up.session(2 * day))
        database.add(made_up.session(2 * day + 1, board="Board B"))
    found = database.history(MeasurementFilter("net0"))
    assert {series.machine.partition(",")[0] for series in found} == {"Board A", "Board B"}
    (one,) = database.history(MeasurementFilter("net0", machine="board b"))
    assert len(one.points) == 4


def test_a_machine_that_is_named_is_one_of_its_own(database):
    database.add(made_up.session(1), machine="left")
    database.add(made_up.session(2), machine="right")
    assert sorted(series.machine for series in database.history(MeasurementFilter("net0"))) == [
        "left",
        "right",
    ]


def test_numbers_that_are_none_are_no_points(tmp_path):
    """SQLite takes anything into any column, and anybody may have written the file."""
    with open_database(str(tmp_path / "a.db")) as database:
        for day in range(8):
            database.add(made_up.session(day))
        with database.engine.connect() as connection, connection.begin():
            for number, value in enumerate(("'x'", "x'00ff'", "1e999", "'2 ms'"), 1):
                connection.execute(
                    sa.text(f"UPDATE measurements SET p50_ms = {value} WHERE id = {number}")
                )
            connection.execute(sa.text("UPDATE measurements SET p50_low_ms = 'x' WHERE id = 5"))
        (series,) = database.history(MeasurementFilter("net0"))
        assert len(series.points) == 4
        (stored,) = database.baselines(made_up.session(9), "main")
        assert len(stored.rows) == 4
        with database.engine.connect() as connection, connection.begin():
            connection.execute(sa.text("UPDATE environments SET versions = '[1]'"))
        (series,) = database.history(MeasurementFilter("net0"))
        assert set(series.points[0].versions) == {"runtime version", "model file"}


def test_a_version_that_was_asked_for_stands_beside_the_installed_one(database):
    results = made_up.session(1)
    versioned = replace(results.measurements[0], runtime="litert==2.1.0")
    database.add(replace(results, measurements=(*results.measurements, versioned)))
    assert len(database.history(MeasurementFilter("net0", runtime="litert"))) == 2
    (series,) = database.history(MeasurementFilter("net0", runtime="litert==2.1.0:cpu"))
    assert series.name == "net0.float32.tflite on litert==2.1.0:cpu ×1"


def test_an_unknown_model_is_answered_with_the_nearest_name(database):
    database.add(made_up.session(1))
    with pytest.raises(InputError, match="unknown model") as refused:
        database.history(MeasurementFilter("netO.float32.tflite"))
    assert "did you mean 'net0.float32.tflite'" in refused.value.hint


def test_a_pattern_names_several_models(database):
    database.add(made_up.session(1, rows=3))
    assert len(database.history(MeasurementFilter("net?.float32.*"))) == 3


def test_prune_forgets_old_sessions_and_nothing_else(database):
    for day in (1, 200):
        database.add(made_up.session(day, rows=2))
    limit = (made_up.START).timestamp() + 100 * 86_400
    tried = database.prune(before=limit, dry_run=True)
    assert (tried.sessions, tried.measurements) == (1, 2)
    assert len(database.sessions()) == 2
    database.prune(before=limit)
    (left,) = database.sessions()
    assert left.measured_at > limit
    assert len(database.load(left.id).measurements) == 2


def test_rows_are_forgotten_also_where_the_file_cannot_be_made_smaller(tmp_path, monkeypatch):
    compact = pruning.compact

    def while_another_writes(engine):
        with closing(sqlite3.connect(tmp_path / "r.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            return compact(engine)

    monkeypatch.setattr(pruning, "compact", while_another_writes)
    monkeypatch.setattr("edgecnn.store.sql.opening.BUSY_SECS", 0.1)
    with open_database(str(tmp_path / "r.db")) as database:
        database.add(made_up.session(1), label="old")
        pruned = database.prune(label="old")
        assert (pruned.sessions, pruned.given_back) == (1, False)
        assert database.sessions() == []


def test_prune_of_samples_keeps_rows_and_their_numbers(database):
    added = database.add(made_up.session(1))
    before = database.history(MeasurementFilter("net0"))
    database.prune(label="main", samples_only=True)
    assert database.history(MeasurementFilter("net0")) == before
    (row,) = database.load(added.session).measurements
    assert row.runs
    assert row.runs[0].samples_ns == ()


@pytest.mark.parametrize(
    "change",
    [
        {"document": b"not compressed"},
        {"document": zlib.compress(b"[1, 2")},
        {"document": zlib.compress(b'{"counts": [], "blocks": []}')},
        {"samples": zlib.compress(b"\xff" * 16)},
        {"samples": zlib.compress(bytes(8))[:-3]},
    ],
)
def test_a_damaged_row_is_left_out_and_named(database, change):
    added = database.add(made_up.session(1, rows=2))
    with database.engine.connect() as connection, connection.begin():
        first = sa.select(sa.func.min(details.c.measurement_id)).scalar_subquery()
        connection.execute(
            sa.update(details).where(details.c.measurement_id == first).values(**change)
        )
    loaded = database.load(added.session)
    assert len(loaded.measurements) == 1
    assert loaded.left_out[0].row.startswith("measurement ")


def test_negative_samples_in_the_database_are_refused_like_those_of_a_file(database):
    added = database.add(made_up.session(1))
    with database.engine.connect() as connection, connection.begin():
        packed = connection.execute(sa.select(details.c.document)).scalar()
        document = json.loads(zlib.decompress(packed))
        document["counts"] = [[warm, timed, -(10**12)] for warm, timed, _ in document["counts"]]
        connection.execute(
            sa.update(details).values(document=zlib.compress(json.dumps(document).encode()))
        )
    with pytest.raises(InputError, match="no row can be read"):
        database.load(added.session)


def test_baselines_are_the_same_configuration_machine_and_data_since_the_last_change(database):
    for day in range(20):
        database.add(made_up.session(day, 1.10 if day >= 10 else 1.0))
    database.add(made_up.session(30, 2.0, board="Board B"))
    database.add(made_up.session(31, 2.0), label="my-branch")
    other = made_up.session(32, 2.0)
    database.add(replace(other, data={"name": "mnist", "sha256": "aa" * 32}))
    new = made_up.session(40, 1.10)
    database.add(new, label="main")
    (stored,) = database.baselines(new, "main")
    assert len(stored.rows) == 10
    (stored,) = database.baselines(new, "main", most=4)
    assert len(stored.rows) == 4


def test_the_rows_of_other_machines_do_not_push_out_those_of_this_one(database, monkeypatch):
    monkeypatch.setattr("edgecnn.store.sql.baselines.MOST_ROWS", 5)
    for day in range(3):
        database.add(made_up.session(day))
    for day in range(3, 12):
        database.add(made_up.session(day, board="Board B"))
    (stored,) = database.baselines(made_up.session(20), "main")
    assert len(stored.rows) == 3


def test_why_there_is_no_baseline_is_said(database):
    database.add(made_up.session(1, board="Board B"))
    (stored,) = database.baselines(made_up.session(2), "main")
    assert stored.why.startswith("stored as main only on Board B")
    (stored,) = database.baselines(made_up.session(2), "develop")
    assert stored.why == "no row of this configuration is stored as develop"


def test_a_name_of_many_kilobytes_is_stored_and_found(database):
    results = made_up.session(1)
    (row,) = results.measurements
    name = "".join(map(chr, range(0x4E00, 0x4E00 + 9_000))) + ".tflite"
    named = replace(row, artifact=replace(row.artifact, name=name))
    added = database.add(replace(results, measurements=(named, row)))
    assert as_json(database.load(added.session))["measurements"][0]["artifact"]["name"] == name
    assert len(database.history(MeasurementFilter(name))) == 1


def test_a_number_beyond_64_bits_is_no_session(database):
    for number in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(InputError, match=f"no session {number} in the database"):
            database.load(number)


def test_an_import_keeps_what_prune_would_remove_that_moment(postgresql_address):
    """The machine and the configuration of the old session are those of the new one, too."""
    with open_database(postgresql_address) as database:
        database.add(made_up.session(1), label="old")
        failures: list[BaseException] = []

        def prune() -> None:
            try:
                database.prune(label="old")
            except BaseException as error:  # noqa: BLE001 (the test shows it)
                failures.append(error)

        other = threading.Thread(target=prune)
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with opening.writing(database.engine, database.safe_address) as connection:
            writing.insert(connection, pack(made_up.session(2)), "main")
            other.start()
            engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as looking:
                while not looking.execute(waiting).scalar():
                    assert other.is_alive(), failures
        other.join()
        assert failures == []
        assert [each.label for each in database.sessions()] == ["main"]
        assert len(database.load(database.sessions()[0].id).measurements) == 1


def test_no_measurement_refers_to_a_session_that_is_gone(database):
    for day in (1, 2, 3):
        database.add(made_up.session(day), label=f"label{day}")
    database.prune(label="label2")
    with database.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count(measurements.c.id))).scalar() == 2
        assert connection.execute(sa.select(sa.func.count()).select_from(details)).scalar() == 2
