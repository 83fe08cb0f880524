"""Open a database, and bring its tables up to date."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.registry import require
from edgecnn.store.address import DatabaseAddress

NEWEST = "0002"
"""The newest migration; a test holds it to the files."""
VERSION_TABLE = "edgecnn_version"
"""Where Alembic keeps the version of edgecnn's tables. Its usual `alembic_version` is left to
others: Optuna keeps the trials of `edgecnn search` in the same database, and its own version there.
"""
FORMER_VERSION_TABLE = "alembic_version"
OPTUNAS_TABLES = frozenset({"studies", "trials", "version_info"})
"""Some of them; where they are, the usual version table is Optuna's."""
BUSY_SECS = 60.0
"""How long a client waits for another one that writes to the same SQLite file, and a thread of it
for a connection."""
MOST_CONNECTIONS = 32
"""Of one client: asyncio's threads, each of which works on a board, are at most so many."""
WRITES = "edgecnn_writes"
TABLES, ROWS = 4_711_001, 4_711_002
"""PostgreSQL's locks of clients that make tables, and that store or remove results."""
_OURS = re.compile(r"[0-9]{4}")
"""How edgecnn's migrations are called; nobody else's are."""
MAPPED_BYTES = 8 << 30


class DatabaseError(EdgeCNNError):
    """A database that cannot be reached, or that fails while it is used."""

    exit_code = 3


def engine_for(place: DatabaseAddress) -> sa.Engine:
    """An engine whose errors show no values; nothing is opened yet."""
    shared: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": MOST_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": BUSY_SECS,
    }
    if place.path is None:
        return sa.create_engine(place.url, pool_pre_ping=True, **shared)
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write {place.safe_address}: {error.strerror}",
            hint="set EDGECNN_DB or EDGECNN_HOME to another place",
        ) from error
    engine = sa.create_engine(place.url, connect_args={"timeout": BUSY_SECS}, **shared)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Transactions are ours (see `_begin_sqlite`); readers do not wait for a writer (WAL)."""
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"mmap_size={MAPPED_BYTES}",  # a history reads a page here and a page there
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    """A transaction that will write takes the lock at once: taken later, it could be refused."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def lock_early(engine: sa.Engine) -> None:
    """Let every transaction of somebody else's engine on a SQLite file lock it at its beginning.

    A transaction that reads first and then writes is refused at once, without waiting, where
    another client wrote in between.
    """
    engine.dispose()
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(
        engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
    )


@contextmanager
def reading(engine: sa.Engine, safe_address: str) -> Iterator[sa.Connection]:
    """A connection to read with; what goes wrong becomes an error for people."""
    with _translated(safe_address), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine, safe_address: str) -> Iterator[sa.Connection]:
    """A transaction that is kept when the block ends well, and undone otherwise."""
    with _translated(safe_address), engine.connect() as opened:
        connection = opened.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection


def migrate(engine: sa.Engine, place: DatabaseAddress) -> None:
    """Make the tables, or bring those of an older edgecnn up to date.

    Raises InputError for a file that is something else, and for tables of a newer edgecnn,
    MissingDependencyError without the extra `store` where tables have to be made.
    """
    with reading(engine, place.safe_address) as connection:
        revision, table = _revision(connection)
    if revision == NEWEST and table == VERSION_TABLE:
        return
    require("alembic", "store")  # takes long to import: only where tables change
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    with resources.as_file(resources.files("edgecnn.store.sql").joinpath("migrations")) as folder:
        config.set_main_option("script_location", os.fspath(folder).replace("%", "%%"))
        revisions = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
        if revision and revision not in revisions:
            raise InputError(
                f"{place.safe_address}: made by a newer edgecnn "
                f"(tables of version {revision[:40]})",
                hint="update edgecnn, or set EDGECNN_DB to another database",
            )
        with writing(engine, place.safe_address) as connection:
            one_at_a_time(connection, TABLES)
            config.attributes["connection"] = connection
            config.attributes["version_table"] = VERSION_TABLE
            revision, table = _revision(connection)  # another client may have been faster
            if table == FORMER_VERSION_TABLE:
                connection.execute(sa.text(f"DROP TABLE {FORMER_VERSION_TABLE}"))
                command.stamp(config, revision)
            command.upgrade(config, NEWEST)


def _revision(connection: sa.Connection) -> tuple[str, str]:
    """(version of the tables, the table that says it); empty where there are none.

    Raises InputError for a database that holds tables of something else.
    """
    names = set(sa.inspect(connection).get_table_names())
    for table in (VERSION_TABLE, FORMER_VERSION_TABLE):
        if table in names:
            query = sa.text(f"SELECT version_num FROM {table}")  # noqa: S608 (two constants)
            revision = str(connection.execute(query).scalar() or "")
            if table == VERSION_TABLE or _OURS.fullmatch(revision):
                return revision, table
    strangers = names & {"machines", "environments", "sessions", "measurements", "details"}
    if FORMER_VERSION_TABLE in names and not names >= OPTUNAS_TABLES:
        strangers.add(FORMER_VERSION_TABLE)
    if strangers:
        raise InputError(
            f"the database holds tables of something else: {', '.join(sorted(strangers))}",
            hint="set EDGECNN_DB to a database of edgecnn's own",
        )
    return "", ""


def one_at_a_time(connection: sa.Connection, number: int) -> None:
    """Wait until no other client does the same, up to the end of the transaction: two that start at
    once must not both make the tables, a row that one refers to must not be removed by another.
    SQLite's transaction has the lock already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


@contextmanager
def _translated(safe_address: str) -> Iterator[None]:
    """SQLAlchemy's errors as lines for people, without statements, values or addresses."""
    try:
        yield
    except exc.OperationalError as error:
        message = " ".join(str(error.orig).split())
        if "locked" in message:
            raise DatabaseError(
                f"{safe_address}: another process kept the database locked for {BUSY_SECS:.0f} s",
                hint="wait until it is done, then try again",
            ) from None
        if "readonly" in message or "unable to open" in message:
            raise InputError(
                f"cannot use {safe_address}: {message[:200]}",
                hint="check that it exists and may be written, or set EDGECNN_DB",
            ) from None
        if "full" in message:
            raise InputError(
                f"cannot write {safe_address}: the disk is full", hint="free some space"
            ) from None
        raise DatabaseError(
            f"cannot use the database {safe_address}: {_harmless(message)}",
            hint="check that it runs and that EDGECNN_DB names it",
        ) from None
    except exc.TimeoutError:
        raise DatabaseError(
            f"{safe_address}: all connections of this process were in use for {BUSY_SECS:.0f} s",
            hint="is the database overloaded? Then try again",
        ) from None
    except exc.DatabaseError as error:
        message = " ".join(str(error.orig).split())
        if "not a database" in message or "malformed" in message:
            raise InputError(
                f"{safe_address}: not an edgecnn database, or damaged",
                hint="restore it from a copy, or set EDGECNN_DB to another file",
            ) from None
        raise DatabaseError(
            f"the database {safe_address} refused: {_harmless(message)}",
            hint="check the permissions of its user",
        ) from None


def _harmless(message: str) -> str:
    """A driver's words without anything that looks like a connection string's secret."""
    words = [word for word in message.split(" ") if "password=" not in word and "://" not in word]
    return " ".join(words)[:300]
