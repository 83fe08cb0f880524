"""The tables as they are now; `migrations` holds how they came to be so.

Numbers that histories are drawn of stand in `measurements`, which stays narrow: a million rows of
it are read by index in milliseconds. What is needed to give a row back stands in `details`.
Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers rows by INTEGER PRIMARY KEY alone; PostgreSQL's INTEGER has 32 bits.
_ID = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _ID, primary_key=True, autoincrement=True)


machines = Table(
    "machines",
    metadata,
    _id(),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

environments = Table(
    "environments",
    metadata,
    _id(),
    Column("digest", Text, nullable=False, unique=True),
    Column("versions", Text, nullable=False),  # JSON: name → version
)

configurations = Table(
    "configurations",
    metadata,
    _id(),
    Column("digest", Text, nullable=False, unique=True),
    Column("artifact", Text, nullable=False, index=True),
    Column("model", Text, nullable=False, index=True),
    Column("format", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("options", Text, nullable=False),  # JSON
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    Column("digest", Text, nullable=False, unique=True),
    Column("measured_at", Float(53), nullable=False, index=True),
    Column("imported_at", Float(53), nullable=False),
    Column("machine_id", _ID, ForeignKey("machines.id"), nullable=False),
    Column("environment_id", _ID, ForeignKey("environments.id"), nullable=False),
    Column("label", Text, nullable=False, index=True),
    Column("commit_id", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),  # the results without their rows
)

measurements = Table(
    "measurements",
    metadata,
    _id(),
    Column("origin", Text, nullable=False, unique=True),
    Column("session_id", _ID, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("configuration_id", _ID, ForeignKey("configurations.id"), nullable=False),
    Column("measured_at", Float(53), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("runtime_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("processes", Integer, nullable=False),
    Column("p50_ms", Float(53)),
    Column("p50_low_ms", Float(53)),
    Column("p50_high_ms", Float(53)),
    Column("p90_ms", Float(53)),
    Column("p99_ms", Float(53)),
    Column("throughput_per_s", Float(53)),
    Column("load_ms", Float(53)),
    Column("first_inference_ms", Float(53)),
    Column("peak_rss_bytes", Float(53)),
    Column("size_bytes", Float(53)),
    Column("accuracy", Float(53)),
    Column("accuracy_low", Float(53)),
    Column("accuracy_high", Float(53)),
    Index("ix_measurements_history", "configuration_id", "measured_at"),
)

details = Table(
    "details",
    metadata,
    Column("measurement_id", _ID, ForeignKey("measurements.id"), primary_key=True),
    Column("document", LargeBinary, nullable=False),  # the row without its samples
    Column("samples", LargeBinary),  # NULL once they were pruned
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    Column("digest", Text, nullable=False, unique=True),
    Column("board", Text, nullable=False),
    Column("document", Text, nullable=False),  # JSON: what to do
    Column("state", Text, nullable=False, index=True),  # queued, taken, done, failed
    Column("client", Text, nullable=False),
    Column("lease_until", Float(53), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("error", Text, nullable=False),
    Column("session_id", _ID),  # of the results; no reference: they may be pruned
)
