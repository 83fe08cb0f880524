"""Jobs: what is to be measured on boards, who works on it, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "jobs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("board", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("session_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("digest", name="uq_jobs_digest"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
