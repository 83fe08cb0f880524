"""Put results into the database: once each, however often they are imported.

`pack` does what takes time and needs no database, so that several processes can share it;
`insert` then is a handful of statements in one transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edgecnn.results import Measurement, Results
from edgecnn.store.sql import identity
from edgecnn.store.sql.packing import pack_row, pack_session
from edgecnn.store.sql.tables import (
    configurations,
    details,
    environments,
    machines,
    measurements,
    sessions,
)


@dataclass(frozen=True)
class PackedRow:
    """A measurement as it is stored: its configuration, its columns, its details."""

    configuration: Mapping[str, str]
    columns: Mapping[str, Any]
    document: bytes
    samples: bytes


@dataclass(frozen=True)
class PackedSession:
    """Results as they are stored; plain values, so that another process may have packed them."""

    digest: str
    measured_at: float
    machine: tuple[str, str]
    environment: tuple[str, str]
    document: bytes
    rows: tuple[PackedRow, ...] = field(default=())


@dataclass(frozen=True)
class Added:
    """What an import did: rows that are new, that grew by further processes, that were known."""

    session: int | None
    new: int = 0
    grown: int = 0
    known: int = 0
    relabeled: bool = False


def pack(results: Results, machine: str = "") -> PackedSession:
    """Everything that is stored of results; `machine` names the machine they were made on."""
    created = identity.seconds_of(results.environment.created_at)
    rows = tuple(_pack_row(row, results, created) for row in results.measurements)
    versions = json.dumps(identity.versions_of(results))
    origins = [str(row.columns["origin"]) for row in rows]
    began = [row.columns["measured_at"] for row in rows]
    return PackedSession(
        digest=identity.session_of(results, origins),
        measured_at=created if created is not None else min(began, default=0.0),
        machine=identity.machine_of(results.environment, machine),
        environment=(identity.digest(versions), versions),
        document=pack_session(results),
        rows=rows,
    )


Ids = dict[tuple[str, str], int]
"""Of rows that a transaction has met: (table, digest) → id. Sessions share most of them."""


def insert(
    connection: sa.Connection,
    packed: PackedSession,
    label: str,
    commit: str = "",
    *,
    ids: Ids | None = None,
) -> Added:
    """Store what is not stored yet, inside the caller's transaction. `ids` is what it has met.

    A row that is known with fewer processes is replaced: its file was continued. A session whose
    rows are all known gets the label, if that is another one. Imports wait for each other.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transaction has the lock already
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4711002)"))
    ids = {} if ids is None else ids
    stored = _known(connection, [str(row.columns["origin"]) for row in packed.rows])
    fresh = [row for row in packed.rows if row.columns["origin"] not in stored]
    grown = [
        row
        for row in packed.rows
        if row.columns["origin"] in stored
        and row.columns["processes"] > stored[str(row.columns["origin"])].processes
    ]
    session = min((each.session_id for each in stored.values()), default=None)
    relabeled = False
    if session is None:
        session = _new_session(connection, packed, label, commit, ids)
        if session is None:  # another client has stored it this very moment
            return Added(None, known=len(packed.rows))
    else:
        relabeled = _update_session(
            connection, session, packed, label, commit, grew=bool(fresh or grown)
        )
    for row in grown:
        _forget(connection, stored[str(row.columns["origin"])].id)
    _insert_rows(connection, session, [*grown, *fresh], ids)
    return Added(
        session, len(fresh), len(grown), len(packed.rows) - len(fresh) - len(grown), relabeled
    )


def _pack_row(row: Measurement, results: Results, created: float | None) -> PackedRow:
    document, samples = pack_row(row)
    began = identity.seconds_of(row.runs[0].started_at) if row.runs else None
    effective = row.effective
    columns = {
        "origin": identity.origin_of(row, results),
        "measured_at": began if began is not None else created or 0.0,
        "sha256": identity.storable(row.artifact.sha256),
        "runtime_version": identity.storable(effective.runtime_version if effective else ""),
        "status": row.status,
        "verdict": row.verdict or "",
        "processes": len(row.runs),
        **_numbers(row),
    }
    return PackedRow(identity.configuration_of(row), columns, document, samples)


def _numbers(row: Measurement) -> dict[str, float | None]:
    latency, accuracy = row.latency, row.accuracy
    interval = (latency.ci95 if latency else None) or (None, None)
    sure = (accuracy.ci95 if accuracy else None) or (None, None)
    numbers: dict[str, float | None] = {
        "p50_ms": latency.p50 if latency else None,
        "p50_low_ms": interval[0],
        "p50_high_ms": interval[1],
        "p90_ms": latency.p90 if latency else None,
        "p99_ms": latency.p99 if latency else None,
        "throughput_per_s": row.throughput_per_s,
        "load_ms": row.load_ms,
        "first_inference_ms": row.first_inference_ms,
        "peak_rss_bytes": row.memory["peak_rss_bytes"],
        "size_bytes": row.artifact.size_bytes or None,
        "accuracy": accuracy.value if accuracy else None,
        "accuracy_low": sure[0],
        "accuracy_high": sure[1],
    }
    return {
        name: None if value is None or not isfinite(value) else float(value)
        for name, value in numbers.items()
    }


def _known(connection: sa.Connection, origins: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """Rows that are stored already, by origin."""
    stored: dict[str, sa.Row[Any]] = {}
    columns = measurements.c
    for start in range(0, len(origins), 500):
        query = sa.select(columns.origin, columns.id, columns.session_id, columns.processes)
        query = query.where(columns.origin.in_(origins[start : start + 500]))
        stored |= {each.origin: each for each in connection.execute(query)}
    return stored


def _new_session(
    connection: sa.Connection, packed: PackedSession, label: str, commit: str, ids: Ids
) -> int | None:
    machine = _id_of(connection, machines, packed.machine[0], ids, name=packed.machine[1])
    environment = _id_of(
        connection, environments, packed.environment[0], ids, versions=packed.environment[1]
    )
    statement = _insert(connection, sessions).values(
        digest=packed.digest,
        measured_at=packed.measured_at,
        imported_at=time.time(),
        machine_id=machine,
        environment_id=environment,
        label=label,
        commit_id=commit,
        document=packed.document,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["digest"])
    return connection.execute(statement.returning(sessions.c.id)).scalar()


def _update_session(
    connection: sa.Connection,
    session: int,
    packed: PackedSession,
    label: str,
    commit: str,
    *,
    grew: bool,
) -> bool:
    """Note what is new about a session that is stored; whether it got another label."""
    columns = sessions.c
    query = sa.select(columns.label, columns.commit_id).where(columns.id == session)
    old = connection.execute(query).one()
    changes: dict[str, Any] = {}
    if old.label != label:
        changes["label"] = label
    if commit and old.commit_id != commit:
        changes["commit_id"] = commit
    if grew:
        changes["document"] = packed.document
    if changes:
        connection.execute(sa.update(sessions).where(columns.id == session).values(**changes))
    return "label" in changes


def _forget(connection: sa.Connection, measurement: int) -> None:
    connection.execute(sa.delete(details).where(details.c.measurement_id == measurement))
    connection.execute(sa.delete(measurements).where(measurements.c.id == measurement))


def _insert_rows(
    connection: sa.Connection, session: int, rows: Sequence[PackedRow], ids: Ids
) -> None:
    if not rows:
        return
    configuration_ids = _configuration_ids(connection, [row.configuration for row in rows], ids)
    values = [
        {
            **row.columns,
            "session_id": session,
            "configuration_id": configuration_ids[row.configuration["digest"]],
        }
        for row in rows
    ]
    statement = sa.insert(measurements).returning(measurements.c.id, sort_by_parameter_order=True)
    numbers = connection.execute(statement, values).scalars().all()
    connection.execute(
        sa.insert(details),
        [
            {"measurement_id": number, "document": row.document, "samples": row.samples}
            for number, row in zip(numbers, rows, strict=True)
        ],
    )


def _configuration_ids(
    connection: sa.Connection, wanted: Sequence[Mapping[str, str]], ids: Ids
) -> dict[str, int]:
    """Ids of configurations by digest; those that are not there are made."""
    by_digest = {each["digest"]: each for each in wanted}
    ids_by_digest = {
        name: ids[configurations.name, name]
        for name in by_digest
        if (configurations.name, name) in ids
    }
    names = [name for name in by_digest if name not in ids_by_digest]
    columns = configurations.c
    for start in range(0, len(names), 500):
        query = sa.select(columns.digest, columns.id)
        query = query.where(columns.digest.in_(names[start : start + 500]))
        ids_by_digest |= {each.digest: each.id for each in connection.execute(query)}
    for name in names:
        if name in ids_by_digest:
            ids[configurations.name, name] = ids_by_digest[name]
        else:
            rest = {key: value for key, value in by_digest[name].items() if key != "digest"}
            ids_by_digest[name] = _id_of(connection, configurations, name, ids, **rest)
    return ids_by_digest


def _id_of(
    connection: sa.Connection, table: sa.Table, digest: str, ids: Ids, **columns: str
) -> int:
    """The id of the row with that digest, which is made when it is not there."""
    if (table.name, digest) in ids:
        return ids[table.name, digest]
    query = sa.select(table.c.id).where(table.c.digest == digest)
    row_id = connection.execute(query).scalar()
    if row_id is None:
        statement = _insert(connection, table).values(digest=digest, **columns)
        connection.execute(statement.on_conflict_do_nothing(index_elements=["digest"]))
        row_id = connection.execute(query).scalar_one()
    ids[table.name, digest] = int(row_id)
    return int(row_id)


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT of this database's dialect, which knows ON CONFLICT."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
