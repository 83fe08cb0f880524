"""Baselines of a new row: the stored rows of its configuration on the same machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgecnn.results import Measurement, Results
from edgecnn.store.history import METRICS, Point, Series
from edgecnn.store.sql import identity
from edgecnn.store.sql.reading import number_of, read_rows
from edgecnn.store.sql.tables import (
    configurations,
    environments,
    machines,
    measurements,
    sessions,
)

MOST_POINTS = 400
"""Of a configuration that are looked at for a change point."""
MOST_ROWS = 10 * MOST_POINTS
"""Of one machine that are looked through for those with the same data."""


@dataclass(frozen=True)
class StoredBaseline:
    """The stored rows that a new one is compared with, the oldest first; or why there are none."""

    rows: tuple[Measurement, ...] = ()
    why: str = ""


def find_baselines(
    connection: sa.Connection, results: Results, label: str, machine: str, most: int
) -> list[StoredBaseline]:
    """For each row of `results` up to `most` stored ones with the label.

    They are of the same configuration, machine and data, VALID or NOISY, and of the level that
    holds since the last change point. The same measurements are never their own baseline.
    """
    digest, _ = identity.machine_of(results.environment, machine)
    data = identity.data_of(results)
    wanted = [identity.configuration_of(row)["digest"] for row in results.measurements]
    origins = {identity.origin_of(row, results) for row in results.measurements}
    baselines = []
    for name in wanted:
        points, others = _points(
            connection,
            configuration=name,
            machine=digest,
            label=label,
            data=data,
            origins=origins,
        )
        if not points:
            baselines.append(StoredBaseline(why=_why(label, others)))
            continue
        level = _current_level(points)[-most:]
        numbers = [point.measurement for point in level]
        rows = read_rows(connection, numbers)
        kept = tuple(rows[number] for number in numbers if number in rows)
        baselines.append(StoredBaseline(kept, "" if kept else "its stored rows are damaged"))
    return baselines


def _points(
    connection: sa.Connection,
    *,
    configuration: str,
    machine: str,
    label: str,
    data: str,
    origins: set[str],
) -> tuple[list[Point], list[str]]:
    """(points with everything the same, what there is of other machines or data where there are
    none).
    """
    columns = measurements.c
    every = (
        sa.select(
            columns.id,
            columns.origin,
            columns.measured_at,
            columns.p50_ms,
            columns.p50_low_ms,
            columns.p50_high_ms,
            machines.c.digest,
            machines.c.name,
            environments.c.versions,
        )
        .join(configurations, columns.configuration_id == configurations.c.id)
        .join(sessions, columns.session_id == sessions.c.id)
        .join(machines, sessions.c.machine_id == machines.c.id)
        .join(environments, sessions.c.environment_id == environments.c.id)
        .where(
            configurations.c.digest == configuration,
            sessions.c.label == label,
            columns.status == "ok",
            columns.verdict != "INVALID",
            columns.p50_ms.is_not(None),
        )
        .order_by(columns.measured_at.desc(), columns.id.desc())
    )
    points, others = [], []
    for each in connection.execute(every.where(machines.c.digest == machine).limit(MOST_ROWS)):
        if each.origin in origins:
            continue
        if _data(each.versions) != data:
            others.append(f"with data {_data(each.versions) or 'none'}")
            continue
        at, value, low, high = map(
            number_of, (each.measured_at, each.p50_ms, each.p50_low_ms, each.p50_high_ms)
        )
        if at is not None and value is not None:
            points.append(Point(at, value, low, high, measurement=each.id))
        if len(points) == MOST_POINTS:
            break
    if not points and not others:
        elsewhere = connection.execute(every.where(machines.c.digest != machine).limit(1))
        others = [f"on {each.name}" for each in elsewhere if each.origin not in origins]
    return points[::-1], others


def _current_level(points: Sequence[Point]) -> Sequence[Point]:
    """The points since the last change."""
    series = Series("", "", METRICS["p50"], tuple(points)).with_changes()
    return points[series.changes[-1].index :] if series.changes else points


def _why(label: str, others: Sequence[str]) -> str:
    if not others:
        return f"no row of this configuration is stored as {label}"
    return f"stored as {label} only {others[0]}"


def _data(versions: Any) -> str:
    try:
        document = json.loads(versions)
    except (TypeError, ValueError):
        return ""
    return str(document.get("data", "")) if isinstance(document, Mapping) else ""
