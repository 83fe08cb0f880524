"""Address of the database: EDGECNN_DB, or one SQLite file among the user's data.

An address may hold a password. It is never printed, stored or put into an error: people see
`safe_address`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.registry import require
from edgecnn.system.places import data_home

if TYPE_CHECKING:
    from sqlalchemy import URL

VARIABLE = "EDGECNN_DB"
FILE_NAME = "results.db"
_KINDS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
}
_BEGINS = re.compile(r"(sqlite|postgres(ql)?|mysql|mariadb|oracle|mssql)(\+\w+)?:", re.IGNORECASE)
_HINT = "as in sqlite:////home/me/results.db or postgresql+psycopg://user@host/name"

_FORMS = f"{_HINT}; a path with = or @ in it is written as such, too"


@dataclass(frozen=True)
class DatabaseAddress:
    """A database: its address without password and options, and the `path` of a SQLite file."""

    url: URL = field(repr=False)
    safe_address: str
    path: Path | None = None


def default_path() -> Path:
    """The file that is used when nothing else is said."""
    return data_home() / FILE_NAME


def find(address: str | None = None) -> DatabaseAddress:
    """The place of `address`, of EDGECNN_DB, or the default file.

    A plain path is a SQLite file. Raises InputError, which never repeats the address, also for
    what may be an address in another form: a file named like a password would show it.
    """
    text = address if address is not None else os.environ.get(VARIABLE, "")
    if not text.strip():
        return _file(default_path())
    if "://" not in text:
        if "=" in text or "@" in text or _BEGINS.match(text.strip()):
            raise InputError(f"{VARIABLE} is neither a path nor an address", hint=_FORMS)
        return _file(Path(text).expanduser())
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise InputError(f"{VARIABLE} is not an address of a database", hint=_HINT) from None
    kind = _KINDS.get(url.drivername)
    if kind is None:
        raise InputError(f"{VARIABLE} names a database of a kind that is not supported", hint=_HINT)
    if kind == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InputError(f"{VARIABLE} names no file: results are kept in one", hint=_HINT)
        return _file(Path(url.database).expanduser())
    require("psycopg", "store")
    url = url.set(drivername="postgresql+psycopg")
    host = url.host or url.query.get("host", "") or "local socket"
    port = f":{url.port}" if url.port else ""
    return DatabaseAddress(url, f"postgresql://{host}{port}/{url.database or ''}")


def _file(path: Path) -> DatabaseAddress:
    from sqlalchemy import URL

    path = path.absolute()
    return DatabaseAddress(
        URL.create("sqlite+pysqlite", database=os.fspath(path)), os.fspath(path), path
    )
