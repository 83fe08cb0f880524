"""The first tables: sessions, configurations, measurements and their details."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, autoincrement=True, nullable=False)


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(53)) for name in names]


def upgrade() -> None:
    """Make the tables."""
    for table, columns in (
        ("machines", _text("digest", "name")),
        ("environments", _text("digest", "versions")),
        (
            "configurations",
            _text(
                "digest", "artifact", "model", "format", "recipe", "runtime", "device", "options"
            ),
        ),
    ):
        op.create_table(
            table,
            _id(),
            *columns,
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
            sa.UniqueConstraint("digest", name=f"uq_{table}_digest"),
        )
    op.create_index("ix_configurations_artifact", "configurations", ["artifact"])
    op.create_index("ix_configurations_model", "configurations", ["model"])
    op.create_table(
        "sessions",
        _id(),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("measured_at", sa.Float(53), nullable=False),
        sa.Column("imported_at", sa.Float(53), nullable=False),
        sa.Column("machine_id", _ID, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        *_text("label", "commit_id"),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_sessions_machine_id"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_sessions_environment_id"
        ),
    )
    op.create_index("ix_sessions_measured_at", "sessions", ["measured_at"])
    op.create_index("ix_sessions_label", "sessions", ["label"])
    op.create_table(
        "measurements",
        _id(),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("configuration_id", _ID, nullable=False),
        sa.Column("measured_at", sa.Float(53), nullable=False),
        *_text("sha256", "runtime_version", "status", "verdict"),
        sa.Column("processes", sa.Integer, nullable=False),
        *_numbers(
            "p50_ms",
            "p50_low_ms",
            "p50_high_ms",
            "p90_ms",
            "p99_ms",
            "throughput_per_s",
            "load_ms",
            "first_inference_ms",
            "peak_rss_bytes",
            "size_bytes",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_measurements"),
        sa.UniqueConstraint("origin", name="uq_measurements_origin"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_measurements_session_id"),
        sa.ForeignKeyConstraint(
            ["configuration_id"], ["configurations.id"], name="fk_measurements_configuration_id"
        ),
    )
    op.create_index("ix_measurements_session_id", "measurements", ["session_id"])
    op.create_index("ix_measurements_history", "measurements", ["configuration_id", "measured_at"])
    op.create_table(
        "details",
        sa.Column("measurement_id", _ID, autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("samples", sa.LargeBinary),
        sa.PrimaryKeyConstraint("measurement_id", name="pk_details"),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurements.id"], name="fk_details_measurement_id"
        ),
    )
