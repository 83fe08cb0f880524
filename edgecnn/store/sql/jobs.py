"""A queue of jobs that several clients may take from at once.

A client takes a job for a while (a lease) and renews that while it works. A client that is killed
renews nothing: its job is free again when the lease ends. Leases are by the clock of PostgreSQL's
server, whatever the clients' clocks say; clients of a SQLite file share a machine's. Nobody waits
for a job that another client is taking this moment (FOR UPDATE SKIP LOCKED; SQLite lets one client
write at a time).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edgecnn.store.sql.tables import jobs

LEASE_SECS = 60.0


@dataclass(frozen=True)
class QueuedJob:
    """A job as it stands. `document` says what to do; `session` has the results of a done one."""

    id: int
    digest: str
    board: str
    document: Mapping[str, Any]
    state: str
    client: str
    lease_until: float
    created_at: float
    error: str = ""
    session: int | None = None

    def is_free(self, now: float) -> bool:
        """Whether nobody works on it although it is not done."""
        return self.state == "queued" or (self.state == "taken" and self.lease_until < now)


def enqueue(
    connection: sa.Connection,
    digest: str,
    board: str,
    document: Mapping[str, Any],
    *,
    again: bool = False,
) -> None:
    """Add a job, or add it again once it is done or has failed; one that waits or is under way
    stays as it is, with `again` only while somebody works on it.
    """
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {
        "digest": digest,
        "board": board,
        "document": json.dumps(document),
        "state": "queued",
        "client": "",
        "lease_until": 0.0,
        "created_at": time.time(),
        "error": "",
        "session_id": None,
    }
    statement = dialect.insert(jobs).values(**values)
    renewed = {name: value for name, value in values.items() if name != "digest"}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["digest"],
            set_=renewed,
            where=sa.or_(
                jobs.c.state.in_(("done", "failed")), *([_free(_now(connection))] if again else [])
            ),
        )
    )


def _now(connection: sa.Connection) -> Any:
    """Seconds since 1970 by the clock that all clients share, for use in a statement."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float(53))
    return time.time()


def _free(now: Any) -> Any:
    """The condition that nobody works on a job."""
    expired = sa.and_(jobs.c.state == "taken", jobs.c.lease_until < now)
    return sa.or_(jobs.c.state == "queued", expired)


def take(
    connection: sa.Connection,
    client: str,
    digests: Sequence[str] = (),
    *,
    board: str = "",
    without: Sequence[int] = (),
    now: float | None = None,
) -> QueuedJob | None:
    """The oldest free job (of those named, of a board), from now on this client's; None when there
    is none.
    """
    moment = _now(connection) if now is None else now
    query = sa.select(jobs).where(_free(moment)).order_by(jobs.c.created_at, jobs.c.id).limit(1)
    if digests:
        query = query.where(jobs.c.digest.in_(digests))
    if board:
        query = query.where(jobs.c.board == board)
    if without:
        query = query.where(jobs.c.id.not_in(without))
    row = connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    changes = {"state": "taken", "client": client, "lease_until": moment + LEASE_SECS}
    taken = sa.update(jobs).where(jobs.c.id == row.id).values(**changes).returning(jobs)
    return _job(connection.execute(taken).one())


def renew(connection: sa.Connection, job: int, client: str) -> bool:
    """Keep a job for another while; False where another client has it by now."""
    return _changed(connection, job, client, lease_until=_now(connection) + LEASE_SECS)


def renew_all(connection: sa.Connection, numbers: Sequence[int], client: str) -> set[int]:
    """Keep several jobs for another while; those that are still this client's."""
    mine = (jobs.c.id.in_(numbers), jobs.c.client == client, jobs.c.state == "taken")
    until = _now(connection) + LEASE_SECS
    connection.execute(sa.update(jobs).where(*mine).values(lease_until=until))
    return set(connection.execute(sa.select(jobs.c.id).where(*mine)).scalars())


def release(connection: sa.Connection, job: int, client: str, *, error: str = "") -> bool:
    """Let a job wait for whoever takes it next, and note why; False where another client has it by
    now.
    """
    return _changed(connection, job, client, state="queued", lease_until=0.0, error=error)


def release_all(connection: sa.Connection, clients: Sequence[str]) -> None:
    """Free the jobs of clients that are known to be gone."""
    theirs = (jobs.c.client.in_(clients), jobs.c.state == "taken")
    connection.execute(sa.update(jobs).where(*theirs).values(state="queued", lease_until=0.0))


def busy_clients(connection: sa.Connection) -> list[str]:
    """Clients that have jobs."""
    query = sa.select(jobs.c.client).where(jobs.c.state == "taken").distinct()
    return list(connection.execute(query).scalars())


def waiting_boards(connection: sa.Connection, *, now: float | None = None) -> list[str]:
    """Boards for which jobs wait that nobody works on, the one with the oldest first."""
    free = _free(_now(connection) if now is None else now)
    query = sa.select(jobs.c.board).where(free).group_by(jobs.c.board)
    return list(connection.execute(query.order_by(sa.func.min(jobs.c.id))).scalars())


def cancel(connection: sa.Connection, numbers: Sequence[int]) -> set[int]:
    """Remove jobs that nobody works on, failed ones too; the numbers of those that were removed."""
    idle = sa.or_(_free(_now(connection)), jobs.c.state == "failed")
    query = sa.delete(jobs).where(jobs.c.id.in_(numbers), idle).returning(jobs.c.id)
    return set(connection.execute(query).scalars())


def finish(
    connection: sa.Connection, job: int, client: str, *, session: int | None, error: str = ""
) -> bool:
    """Note what became of a job; False where another client has it by now."""
    state = "failed" if error else "done"
    return _changed(connection, job, client, state=state, session_id=session, error=error)


def now(connection: sa.Connection) -> float:
    """Seconds since 1970 by the clock of the leases."""
    return float(connection.execute(sa.select(sa.literal(0.0) + _now(connection))).scalar_one())


def listed(connection: sa.Connection) -> list[QueuedJob]:
    """All jobs, the oldest first."""
    query = sa.select(jobs).order_by(jobs.c.created_at, jobs.c.id)
    return [_job(each) for each in connection.execute(query)]


def _changed(connection: sa.Connection, job: int, client: str, **changes: Any) -> bool:
    mine = (jobs.c.id == job, jobs.c.client == client, jobs.c.state == "taken")
    updated = connection.execute(sa.update(jobs).where(*mine).values(**changes))
    return bool(updated.rowcount)


def _job(row: Any) -> QueuedJob:
    try:
        document = json.loads(row.document)
    except (TypeError, ValueError):
        document = {}
    return QueuedJob(
        int(row.id),
        str(row.digest),
        str(row.board),
        document if isinstance(document, dict) else {},
        str(row.state),
        str(row.client),
        float(row.lease_until),
        float(row.created_at),
        str(row.error),
        row.session_id,
    )
