"""Storage of results: JSON files as `edgecnn benchmark` writes them, and a database.

The database is SQLite in one file, or PostgreSQL where EDGECNN_DB names one. It needs the extra
`store` (SQLAlchemy, Alembic, psycopg), which is imported when a database is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.registry import require

if TYPE_CHECKING:
    from edgecnn.store.sql import Database

__all__ = ["open_database"]


def open_database(address: str | None = None) -> Database:
    """The database at `address` (see `place.address`), made and brought up to date if need be.

    Raises InputError for an address that cannot be used and for a file that is no such database,
    MissingDependencyError without the extra `store`.
    """
    require("sqlalchemy", "store")
    from edgecnn.store.sql import Database

    return Database.open(address)
