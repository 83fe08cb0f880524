"""Which database is opened, what becomes of a wrong one, and that no secret is ever shown."""

from __future__ import annotations

import io
import sqlite3
import sys
import traceback
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import edgecnn.store.sql.migrations
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.store import address as place
from edgecnn.store import open_database
from edgecnn.store.sql import opening
from edgecnn.store.sql.tables import metadata
from tests.unit.store import made_up

SECRET = "hunter2-s3cret"


def test_the_default_is_a_file_among_the_users_data(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGECNN_DB", raising=False)
    monkeypatch.delenv("EDGECNN_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert place.find().path == tmp_path / "data" / "edgecnn" / "results.db"
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "own"))
    assert place.find().path == tmp_path / "own" / "results.db"


def test_edgecnn_db_names_another_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGECNN_DB", f"sqlite:///{tmp_path}/other.db")
    with open_database() as database:
        assert database.safe_address == str(tmp_path / "other.db")
    assert (tmp_path / "other.db").exists()


def test_sqlite_keeps_a_log_so_that_readers_never_wait(tmp_path):
    with open_database(str(tmp_path / "a.db")) as database, database.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/results",
        f"postgresql+psycopg://me@127.0.0.1:1/results?password={SECRET}",
        f"postgresql://me:{SECRET}@no-such-host.invalid/results",
        f"mysql://me:{SECRET}@host/results",
        f"{SECRET}://",
        f"postgresql+psycopg://me:{SECRET}@host:not-a-port/results",
        f"sqlite://{SECRET}",
    ],
)
def test_no_password_is_shown_when_a_database_cannot_be_used(address, monkeypatch, capsys):
    monkeypatch.setenv("EDGECNN_DB", address)
    with pytest.raises(EdgeCNNError) as refused:
        open_database()
    shown = io.StringIO()
    traceback.print_exception(refused.value, file=shown)
    assert SECRET not in shown.getvalue()
    assert SECRET not in refused.value.message + refused.value.hint + repr(refused.value)
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "address",
    [
        f"host=db user=me password={SECRET}",
        f"postgresql:me:{SECRET}@host/db",
        f"postgres:{SECRET}",
        f"me:{SECRET}@host/db",
        f"sqlite:{SECRET}.db",
        f" PostgreSQL+psycopg:{SECRET}",
    ],
)
def test_no_file_is_called_like_an_address_in_another_form(address, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGECNN_DB", address)
    with pytest.raises(InputError, match="EDGECNN_DB is neither") as refused:
        open_database()
    assert list(tmp_path.iterdir()) == []
    assert SECRET not in refused.value.message + refused.value.hint
    assert SECRET not in "".join(capsys.readouterr())


def test_a_path_with_such_characters_is_written_as_an_address(tmp_path):
    path = tmp_path / "me@here=x.db"
    with open_database(f"sqlite:///{path}") as database:
        assert database.add(made_up.session(1)).new == 1
    assert path.exists()


def test_every_thread_of_a_client_has_a_connection_and_one_more_waits_and_says_so(
    address, monkeypatch
):
    monkeypatch.setattr(opening, "BUSY_SECS", 0.2)
    with open_database(address) as database, ExitStack() as held:
        connection = partial(opening.reading, database.engine, database.safe_address)
        for _ in range(opening.MOST_CONNECTIONS):
            held.enter_context(connection()).execute(sa.text("SELECT 1"))
        with pytest.raises(opening.DatabaseError, match="all connections of this process"):
            held.enter_context(connection())


def test_a_place_shows_no_password():
    found = place.find(f"postgresql+psycopg://me:{SECRET}@host:5433/results?sslkey=x")
    assert found.safe_address == "postgresql://host:5433/results"
    assert SECRET not in repr(found)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(b"a text that somebody called a database\n" * 100)
    with pytest.raises(InputError, match="not an edgecnn database"):
        open_database(str(tmp_path / "a.db"))
    assert (tmp_path / "a.db").read_bytes().startswith(b"a text")


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE sessions (cookie TEXT)")
    with pytest.raises(InputError, match="tables of something else: sessions"):
        open_database(str(path))
    with sqlite3.connect(path) as other:
        names = {name for (name,) in other.execute("SELECT name FROM sqlite_master")}
    assert names == {"sessions"}


def test_a_database_of_a_newer_edgecnn_is_refused(tmp_path):
    path = tmp_path / "a.db"
    open_database(str(path)).close()
    with sqlite3.connect(path) as newer:
        newer.execute("UPDATE edgecnn_version SET version_num = '9999'")
    with pytest.raises(InputError, match="newer edgecnn"):
        open_database(str(path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        open_database(str(tmp_path / "file" / "a.db"))


def test_the_migrations_make_the_tables_that_the_code_uses(address):
    with open_database(address) as database, database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": opening.VERSION_TABLE}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == opening.NEWEST


def test_newest_is_the_newest_migration():
    config = Config()
    config.set_main_option(
        "script_location", str(Path(edgecnn.store.sql.migrations.__file__).parent)
    )
    assert ScriptDirectory.from_config(config).get_current_head() == opening.NEWEST


def test_a_migration_that_breaks_off_leaves_nothing_half_done(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    monkeypatch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        open_database(str(path))
    monkeypatch.undo()
    with open_database(str(path)) as database:
        assert database.add(made_up.session(1)).new == 1


def test_without_the_extra_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(EdgeCNNError) as missing:
        open_database()
    assert missing.value.exit_code == 3
    assert missing.value.hint == "pip install 'edgecnn[store]'"


def test_the_version_moves_out_of_the_table_that_others_use(address):
    """Databases of before kept it where Optuna keeps its own."""
    with open_database(address) as database:
        added = database.add(made_up.session(1))
        with database.engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE edgecnn_version"))
            connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(sa.text(f"INSERT INTO alembic_version VALUES ('{opening.NEWEST}')"))
    with open_database(address) as database:
        names = set(sa.inspect(database.engine).get_table_names())
        assert "edgecnn_version" in names
        assert "alembic_version" not in names
        assert len(database.load(added.session).measurements) == added.new


def test_the_version_of_another_program_is_left_alone(address):
    with open_database(address) as database, database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('v3.2.0.a')"))
    with open_database(address) as database, database.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        assert found == "v3.2.0.a"
