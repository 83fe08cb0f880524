"""Delete old results: whole sessions, or only their raw samples."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgecnn.store.sql.opening import ROWS, one_at_a_time
from edgecnn.store.sql.tables import (
    configurations,
    details,
    environments,
    machines,
    measurements,
    sessions,
)


@dataclass(frozen=True)
class Pruned:
    """What was forgotten, or would be."""

    sessions: int
    measurements: int
    bytes: int
    given_back: bool = True
    """Whether the disk has the space again; a file that keeps it uses it for what comes."""


def prune(
    connection: sa.Connection,
    *,
    before: float | None,
    label: str = "",
    samples_only: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Forget sessions measured before a time (seconds since 1970), those of a label, or both.

    With `samples_only` the rows and their numbers stay and only raw samples go.
    """
    one_at_a_time(connection, ROWS)  # an import may refer to what nobody uses this moment
    chosen = sa.select(sessions.c.id)
    if before is not None:
        chosen = chosen.where(sessions.c.measured_at < before)
    if label:
        chosen = chosen.where(sessions.c.label == label)
    rows = sa.select(measurements.c.id).where(measurements.c.session_id.in_(chosen))
    pruned = _counted(connection, chosen, rows, samples_only)
    if dry_run or not pruned.sessions:
        return pruned
    condition = details.c.measurement_id.in_(rows)
    if samples_only:
        connection.execute(sa.update(details).where(condition).values(samples=None))
        return pruned
    connection.execute(sa.delete(details).where(condition))
    gone = list(connection.execute(chosen).scalars())
    for start in range(0, len(gone), 500):
        part = gone[start : start + 500]
        connection.execute(sa.delete(measurements).where(measurements.c.session_id.in_(part)))
        connection.execute(sa.delete(sessions).where(sessions.c.id.in_(part)))
    for table, user in (
        (configurations, measurements.c.configuration_id),
        (machines, sessions.c.machine_id),
        (environments, sessions.c.environment_id),
    ):
        unused = ~sa.exists().where(user == table.c.id)
        connection.execute(sa.delete(table).where(unused))
    return pruned


def _counted(connection: sa.Connection, chosen: Any, rows: Any, samples_only: bool) -> Pruned:
    size: Any = sa.func.coalesce(sa.func.sum(sa.func.length(details.c.samples)), 0)
    if not samples_only:
        size = size + sa.func.coalesce(sa.func.sum(sa.func.length(details.c.document)), 0)
    query = sa.select(sa.func.count(), size).where(details.c.measurement_id.in_(rows))
    count, held = connection.execute(query).one()
    number = connection.execute(sa.select(sa.func.count()).select_from(chosen.subquery())).scalar()
    return Pruned(int(number or 0), int(count), int(held))


def compact(engine: sa.Engine) -> bool:
    """Give the space of what was forgotten back to the disk, where that is a file of ours.

    False where the file keeps it for now: the disk has no room for a copy, or others read.
    """
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("VACUUM")
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return True
