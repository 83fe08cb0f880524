"""Put results into the database: once each, however often they are imported.

`packed.pack` does what takes time and needs no database, so that several processes can share it;
`insert` then is a handful of statements in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edgecnn.store.sql.opening import ROWS, one_at_a_time
from edgecnn.store.sql.packed import PackedResults, RowRecord
from edgecnn.store.sql.tables import (
    configurations,
    details,
    environments,
    machines,
    measurements,
    sessions,
)


@dataclass(frozen=True)
class Added:
    """What an import did: rows that are new, that grew by further processes or were measured after
    they had failed, that were known; whether what is known got another label or machine.
    """

    session: int
    new: int = 0
    grown: int = 0
    known: int = 0
    relabeled: bool = False
    renamed: bool = False


Ids = dict[tuple[str, str], int]
"""Of rows that a transaction has met: (table, digest) → id. Sessions share most of them."""


def insert(
    connection: sa.Connection,
    packed: PackedResults,
    label: str,
    commit: str = "",
    *,
    ids: Ids | None = None,
) -> Added:
    """Store what is not stored yet, inside the caller's transaction. `ids` is what it has met.

    A row that is known with fewer processes is replaced where it stands: its file was continued. A
    row that failed is replaced once its file has it measured. New rows join the session of the
    known ones where label, commit and environment are the same; else they are a session of their
    own. Sessions whose rows are all known get the label and the commit, if those are others, and a
    machine that the user names is that of the whole file. Imports wait for each other.
    """
    one_at_a_time(connection, ROWS)
    ids = {} if ids is None else ids
    stored = _known(connection, [str(row.columns["origin"]) for row in packed.rows])
    if not stored:
        session = _new_session(connection, packed, label, commit, ids)
        _insert_rows(connection, [(session, row) for row in packed.rows], ids)
        return Added(session, len(packed.rows))
    earlier = _sessions(connection, {each.session_id for each in stored.values()})
    places = list(_places(connection, packed, stored, [each.id for each in earlier]))
    same = [each for each in earlier if each.digest == packed.digest]
    homes = same or [each for each in earlier if _may_join(each, packed, label, commit)]
    session = homes[0].id if homes else earlier[0].id
    if not homes and any(place.session is None for place in places):
        machine = earlier[0].machine_id
        session = _new_session(connection, packed, label, commit, ids, machine=machine)
    relabeled = [
        _relabel(connection, each, label, commit) for each in same or ([] if places else earlier)
    ]
    held = {session, *(each.id for each in earlier)}
    renamed = packed.named and _rename(connection, held, packed, ids)
    if homes and places:
        changed = sa.update(sessions).where(sessions.c.id == session)
        connection.execute(changed.values(document=packed.document))
    for place in places:
        for number in place.replaces:
            _forget(connection, number)
    rows = [(session if place.session is None else place.session, place.row) for place in places]
    _insert_rows(connection, rows, ids)
    _drop_empty(connection, held)
    new = sum(place.counts_as == "new" for place in places)
    grown = sum(place.counts_as == "grown" for place in places)
    return Added(session, new, grown, len(packed.rows) - new - grown, any(relabeled), renamed)


def _known(connection: sa.Connection, origins: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """Rows that are stored already, by origin."""
    stored: dict[str, sa.Row[Any]] = {}
    columns = measurements.c
    for start in range(0, len(origins), 500):
        query = sa.select(columns.origin, columns.id, columns.session_id, columns.processes)
        query = query.where(columns.origin.in_(origins[start : start + 500]))
        stored |= {each.origin: each for each in connection.execute(query)}
    return stored


def _sessions(connection: sa.Connection, numbers: set[int]) -> list[sa.Row[Any]]:
    """Sessions with the digest of their environment, the first one first."""
    query = sa.select(sessions, environments.c.digest.label("environment"))
    query = query.join(environments, sessions.c.environment_id == environments.c.id)
    query = query.where(sessions.c.id.in_(numbers)).order_by(sessions.c.id)
    return list(connection.execute(query))


def _may_join(session: sa.Row[Any], packed: PackedResults, label: str, commit: str) -> bool:
    """Whether new rows of a file belong to the session that holds others of it."""
    same_commit = not commit or session.commit_id == commit
    return bool(session.label == label and same_commit) and (
        session.environment == packed.environment[0]
    )


@dataclass(frozen=True)
class _Place:
    """A row that is stored: its session (None: that of the new rows), and the ids of the rows that
    it replaces.
    """

    row: RowRecord
    session: int | None
    replaces: tuple[int, ...] = ()
    counts_as: Literal["new", "grown", "known"] = "new"


def _places(
    connection: sa.Connection,
    packed: PackedResults,
    stored: Mapping[str, sa.Row[Any]],
    earlier: Sequence[int],
) -> Iterator[_Place]:
    """The rows of a file that say more than what is stored of it in its `earlier` sessions."""
    unknown = []
    for row in packed.rows:
        old = stored.get(str(row.columns["origin"]))
        if old is None:
            unknown.append(row)
        elif row.columns["processes"] > old.processes:
            yield _Place(row, old.session_id, (old.id,), "grown")
    others = _others(connection, earlier, unknown)
    for row in unknown:
        same = others.get((row.configuration["digest"], row.columns["sha256"]), [])
        failed = [each for each in same if _failed(each.status, each.processes)]
        if not _failed(row.columns["status"], row.columns["processes"]):
            counts_as: Literal["new", "grown"] = "grown" if failed else "new"
            yield _Place(row, None, tuple(each.id for each in failed), counts_as)
        elif not same:
            yield _Place(row, None)
        elif failed == same and row.columns["measured_at"] >= max(
            each.measured_at for each in same
        ):  # it failed again; else the file is an older one than that which is stored
            yield _Place(row, same[0].session_id, tuple(each.id for each in same), "known")


def _failed(status: str, processes: int) -> bool:
    """Whether a row is measured again when its file is continued."""
    return status != "ok" or processes == 0


def _others(
    connection: sa.Connection, numbers: Sequence[int], rows: Sequence[RowRecord]
) -> Mapping[tuple[str, str], list[sa.Row[Any]]]:
    """Rows of these sessions by configuration and file, where one of `rows` has the same."""
    wanted = {(row.configuration["digest"], row.columns["sha256"]) for row in rows}
    found: dict[tuple[str, str], list[Any]] = {}
    columns = measurements.c
    query = (
        sa.select(
            columns.id,
            columns.session_id,
            columns.measured_at,
            columns.status,
            columns.processes,
            columns.sha256,
            configurations.c.digest,
        )
        .join(configurations, columns.configuration_id == configurations.c.id)
        .where(columns.session_id.in_(numbers))
    )
    for each in connection.execute(query) if wanted else ():
        if (each.digest, each.sha256) in wanted:
            found.setdefault((each.digest, each.sha256), []).append(each)
    return found


def _new_session(
    connection: sa.Connection,
    packed: PackedResults,
    label: str,
    commit: str,
    ids: Ids,
    *,
    machine: int | None = None,
) -> int:
    """The id of a session that is made, on the file's machine unless another is meant."""
    if machine is None:
        machine = _machine_id(connection, packed, ids)
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
    connection.execute(statement)  # of a file without rows the session may be there already
    query = sa.select(sessions.c.id).where(sessions.c.digest == packed.digest)
    return int(connection.execute(query).scalar_one())


def _machine_id(connection: sa.Connection, packed: PackedResults, ids: Ids) -> int:
    return _id_of(connection, machines, packed.machine[0], ids, name=packed.machine[1])


def _relabel(connection: sa.Connection, session: sa.Row[Any], label: str, commit: str) -> bool:
    """Give a session this label and commit; whether the label is another one."""
    changes = {"label": label, **({"commit_id": commit} if commit else {})}
    if any(getattr(session, name) != value for name, value in changes.items()):
        changed = sa.update(sessions).where(sessions.c.id == session.id)
        connection.execute(changed.values(**changes))
    return bool(session.label != label)


def _rename(connection: sa.Connection, numbers: set[int], packed: PackedResults, ids: Ids) -> bool:
    """Give sessions the machine of the file; whether it is another one."""
    machine = _machine_id(connection, packed, ids)
    others = (sessions.c.id.in_(numbers), sessions.c.machine_id != machine)
    changed = connection.execute(sa.update(sessions).where(*others).values(machine_id=machine))
    return bool(changed.rowcount)


def _drop_empty(connection: sa.Connection, numbers: set[int]) -> None:
    """Forget sessions whose rows all went to others."""
    used = sa.exists().where(measurements.c.session_id == sessions.c.id)
    connection.execute(sa.delete(sessions).where(sessions.c.id.in_(numbers), ~used))


def _forget(connection: sa.Connection, measurement: int) -> None:
    connection.execute(sa.delete(details).where(details.c.measurement_id == measurement))
    connection.execute(sa.delete(measurements).where(measurements.c.id == measurement))


def _insert_rows(
    connection: sa.Connection, rows: Sequence[tuple[int, RowRecord]], ids: Ids
) -> None:
    """Store rows, each in its session."""
    if not rows:
        return
    configuration_ids = _configuration_ids(connection, [row.configuration for _, row in rows], ids)
    values = [
        {
            **row.columns,
            "session_id": session,
            "configuration_id": configuration_ids[row.configuration["digest"]],
        }
        for session, row in rows
    ]
    statement = sa.insert(measurements).returning(measurements.c.id, sort_by_parameter_order=True)
    numbers = connection.execute(statement, values).scalars().all()
    connection.execute(
        sa.insert(details),
        [
            {"measurement_id": number, "document": row.document, "samples": row.samples}
            for number, (_, row) in zip(numbers, rows, strict=True)
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
