"""Results as plain values that are ready to be stored; made without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from edgecnn.results import Measurement, Results
from edgecnn.store.sql import identity
from edgecnn.store.sql.packing import pack_row, pack_session


@dataclass(frozen=True)
class RowRecord:
    """A measurement as it is stored: its configuration, its columns, its details."""

    configuration: Mapping[str, str]
    columns: Mapping[str, Any]
    document: bytes
    samples: bytes


@dataclass(frozen=True)
class PackedResults:
    """Results as they are stored; plain values, so that another process may have packed them."""

    digest: str
    measured_at: float
    machine: tuple[str, str]
    environment: tuple[str, str]
    document: bytes
    rows: tuple[RowRecord, ...] = field(default=())
    named: bool = False
    """Whether the user named the machine."""


def pack(results: Results, machine: str = "") -> PackedResults:
    """Everything that is stored of results; `machine` names the machine they were made on."""
    created = identity.seconds_of(results.environment.created_at)
    rows = tuple(_pack_row(row, results, created) for row in results.measurements)
    versions = json.dumps(identity.versions_of(results))
    origins = [str(row.columns["origin"]) for row in rows]
    began = [row.columns["measured_at"] for row in rows]
    return PackedResults(
        digest=identity.session_of(results, origins),
        measured_at=created if created is not None else min(began, default=0.0),
        machine=identity.machine_of(results.environment, machine),
        environment=(identity.digest(versions), versions),
        document=pack_session(results),
        rows=rows,
        named=bool(machine),
    )


def _pack_row(row: Measurement, results: Results, created: float | None) -> RowRecord:
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
    return RowRecord(identity.configuration_of(row), columns, document, samples)


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
