"""Read results back: sessions as they were saved, and the points that a history is drawn of."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

import sqlalchemy as sa

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.registry import unknown_name
from edgecnn.results import Load, Measurement, Placement, Results, RuntimeOptions, UnreadRow
from edgecnn.results.foreign_text import make_harmless
from edgecnn.store.history import Metric, Point, Series
from edgecnn.store.sql.identity import INDEXED_LENGTH
from edgecnn.store.sql.packing import DamagedError, unpack_row, unpack_session
from edgecnn.store.sql.tables import (
    configurations,
    details,
    environments,
    machines,
    measurements,
    sessions,
)

MOST_POINTS = 100_000
"""Of one history; the newest ones."""


@dataclass(frozen=True)
class MeasurementFilter:
    """Which measurements: every field that is set must fit.

    `model` is an artifact's or a network's name, with * and ? for any characters; `runtime` is
    as in "onnxruntime" or "onnxruntime:cpu"; `since` is in seconds since 1970.
    """

    model: str = ""
    runtime: str = ""
    machine: str = ""
    label: str = ""
    since: float | None = None


@dataclass(frozen=True)
class StoredResults:
    """A stored session in a line."""

    id: int
    measured_at: float
    label: str
    commit: str
    machine: str
    rows: int

    def __post_init__(self) -> None:
        make_harmless(self, "label", "commit", "machine")


def list_sessions(connection: sa.Connection, label: str = "") -> list[StoredResults]:
    """All sessions, or those with the label; the oldest first."""
    counted = sa.func.count(measurements.c.id).label("rows")
    query = (
        sa.select(sessions, machines.c.name.label("machine"), counted)
        .join(machines, sessions.c.machine_id == machines.c.id)
        .join(measurements, measurements.c.session_id == sessions.c.id, isouter=True)
        .group_by(sessions.c.id, machines.c.name)
        .order_by(sessions.c.measured_at, sessions.c.id)
    )
    if label:
        query = query.where(sessions.c.label == label)
    return [
        StoredResults(
            each.id,
            each.measured_at,
            each.label,
            each.commit_id,
            each.machine,
            each.rows,
        )
        for each in connection.execute(query)
    ]


def list_labels(connection: sa.Connection) -> list[str]:
    """All labels, sorted."""
    query = sa.select(sessions.c.label).distinct().order_by(sessions.c.label)
    return list(connection.execute(query).scalars())


def read_session(connection: sa.Connection, number: int) -> Results:
    """A session with every row. What is damaged is left out and named.

    Raises InputError when there is no such session, DamagedError when nothing of it can be read.
    """
    query = sa.select(sessions.c.document).where(sessions.c.id == number)
    # A database does not take a number beyond 64 bits.
    packed = connection.execute(query).scalar() if number.bit_length() < 64 else None
    if packed is None:
        raise InputError(f"no session {number} in the database", hint="edgecnn results list")
    rows: dict[tuple[str, ...], Measurement] = {}
    left_out = []
    stored = (
        sa.select(details, measurements.c.id)
        .join(measurements, details.c.measurement_id == measurements.c.id)
        .where(measurements.c.session_id == number)
        .order_by(measurements.c.id)
    )
    for each in connection.execute(stored):
        try:
            row = unpack_row(each.document, each.samples, f"measurement {each.id}")
        except DamagedError as error:
            left_out.append(UnreadRow(f"measurement {each.id}", error.message))
            continue
        before = rows.get(row.key)  # older versions kept a row that failed, too
        if before is None or row.status == "ok" or before.status != "ok":
            rows[row.key] = row
    results = unpack_session(packed, list(rows.values()), f"session {number}")
    if left_out and not rows:
        raise DamagedError(f"session {number}: no row can be read", hint="import its file again")
    return replace(results, left_out=tuple(left_out))


def read_rows(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Measurement]:
    """Measurements by id; those that are damaged are absent."""
    measurements_by_id = {}
    for start in range(0, len(numbers), 500):
        query = sa.select(details).where(details.c.measurement_id.in_(numbers[start : start + 500]))
        for each in connection.execute(query):
            number = int(each.measurement_id)
            try:
                measurements_by_id[number] = unpack_row(
                    each.document, each.samples, f"measurement {number}"
                )
            except DamagedError:
                continue
    return measurements_by_id


def read_history(
    connection: sa.Connection, wanted: MeasurementFilter, metric: Metric
) -> list[Series]:
    """A series for each configuration and machine, points by time; without change points.

    Raises InputError when nothing of that name is stored, with the nearest names.
    """
    wanted_configurations = _configurations(connection, wanted)
    columns = measurements.c
    numbers = [columns[name] for name in metric.columns]
    facts = _Versions(connection)
    series = []
    for configuration in wanted_configurations:
        query = (
            sa.select(
                columns.id,
                columns.measured_at,
                columns.sha256,
                columns.runtime_version,
                columns.verdict,
                *numbers,
                sessions.c.id.label("session"),
                sessions.c.label,
                sessions.c.commit_id,
                sessions.c.environment_id,
                sessions.c.machine_id,
                machines.c.name.label("machine"),
            )
            .join(sessions, columns.session_id == sessions.c.id)
            .join(machines, sessions.c.machine_id == machines.c.id)
            .where(columns.configuration_id == configuration.id, numbers[0].is_not(None))
            .order_by(columns.measured_at.desc(), columns.id.desc())
            .limit(MOST_POINTS)
        )
        if wanted.label:
            query = query.where(sessions.c.label == wanted.label)
        if wanted.since is not None:
            query = query.where(columns.measured_at >= wanted.since)
        by_machine: dict[tuple[str, int], list[Point]] = {}
        for each in connection.execute(query):
            machine = str(each.machine)
            if wanted.machine.lower() in machine.lower():
                point = _point(each, metric, facts)
                if point is not None:
                    by_machine.setdefault((machine, each.machine_id), []).append(point)
        series += [
            Series(_name(configuration), machine, metric, tuple(reversed(points)))
            for (machine, _), points in sorted(by_machine.items())
        ]
    return series


def _configurations(connection: sa.Connection, wanted: MeasurementFilter) -> list[Any]:
    """Stored configurations that are wanted; exact names first, then patterns."""
    columns = configurations.c
    query = sa.select(configurations).order_by(columns.artifact, columns.runtime, columns.id)
    name = wanted.model[:INDEXED_LENGTH]
    exact = query.where(sa.or_(columns.artifact == name, columns.model == name))
    rows = list(connection.execute(exact if wanted.model else query))
    if not rows:
        everything = list(connection.execute(query))
        rows = [
            each
            for each in everything
            if any(fnmatch.fnmatchcase(name, wanted.model) for name in (each.artifact, each.model))
        ]
        if not rows:
            names = {each.artifact for each in everything} | {each.model for each in everything}
            if not names - {""}:
                raise InputError(
                    "the database holds no results yet",
                    hint="edgecnn results import results.json",
                )
            raise unknown_name("model", wanted.model, sorted(names - {""})[:200])
    runtime, _, device = wanted.runtime.partition(":")
    if runtime:
        fitting = [
            each
            for each in rows
            if runtime in (each.runtime, each.runtime.partition("==")[0])
            and (not device or each.device == device)
        ]
        if not fitting:
            runtimes = {f"{each.runtime}:{each.device}" for each in rows}
            raise unknown_name("runtime here", wanted.runtime, sorted(runtimes))
        rows = fitting
    return rows


class _Versions:
    """What measurements ran on; each combination is put together once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._environments: dict[int, Mapping[str, str]] = {}
        self._known: dict[tuple[Any, ...], Mapping[str, str]] = {}

    def of(self, row: Any) -> Mapping[str, str]:
        """Versions by name for a measurement's row."""
        key = (row.environment_id, row.runtime_version, row.sha256, row.commit_id)
        versions = self._known.get(key)
        if versions is None:
            further = {
                "runtime version": str(row.runtime_version),
                "model file": str(row.sha256)[:12],
                "commit": str(row.commit_id),
            }
            nonempty = {name: text for name, text in further.items() if text}
            versions = self._known[key] = {**self._environment(row.environment_id), **nonempty}
        return versions

    def _environment(self, number: int) -> Mapping[str, str]:
        if number not in self._environments:
            query = sa.select(environments.c.versions).where(environments.c.id == number)
            self._environments[number] = _versions(self._connection.execute(query).scalar())
        return self._environments[number]


def _versions(text: Any) -> Mapping[str, str]:
    try:
        versions = json.loads(text)
    except (TypeError, ValueError):
        return {}
    if not isinstance(versions, dict):
        return {}
    return {str(name): str(value) for name, value in versions.items()}


def _point(row: Any, metric: Metric, facts: _Versions) -> Point | None:
    """A row as a point; None where somebody put something else than numbers into it."""
    at, *values = (number_of(value) for value in (
        row.measured_at, *(getattr(row, name) for name in metric.columns)
    ))  # fmt: skip
    if at is None or values[0] is None:
        return None
    low, high = (values[1], values[2]) if len(values) == 3 else (None, None)
    return Point(
        at=at,
        value=values[0],
        low=low,
        high=high,
        verdict=str(row.verdict),
        session=int(row.session),
        measurement=int(row.id),
        label=str(row.label),
        versions=facts.of(row),
    )


def number_of(value: Any) -> float | None:
    """A finite number; SQLite takes anything into any column."""
    return float(value) if isinstance(value, (int, float)) and isfinite(value) else None


def _name(configuration: Any) -> str:
    """As in "lenet5.float32.tflite on litert:cpu ×1", and options that are not the usual ones."""
    try:
        document = json.loads(configuration.options)
    except ValueError:
        document = None
    options = document if isinstance(document, dict) else {}
    place = f"{configuration.runtime}:{configuration.device}"
    text = f"{configuration.artifact} on {place} ×{options.get('threads', 1)}"
    for name, value in options.items():
        if name != "threads" and value != _USUAL.get(name):
            text += f" {name.replace('_', ' ')} {value}"
    return text


_USUAL: dict[str, Any] = json.loads(
    json.dumps(asdict(RuntimeOptions()) | asdict(Placement()) | asdict(Load()))
)


__getattr__ = old_names(__name__, {"Wanted": "MeasurementFilter"})
