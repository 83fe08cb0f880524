"""A database to test with: SQLite in a file, and a PostgreSQL server started for the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.store import open_database
from edgecnn.store.sql import Database

USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""


def _binaries() -> Path | None:
    """The newest PostgreSQL of Debian's packages, or one on the PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


@pytest.fixture(scope="session")
def postgresql_socket() -> Iterator[str]:
    """The folder of a server's socket; it listens nowhere else."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    as_user = {}
    folder = Path(tempfile.mkdtemp(prefix="edgecnn-pg-"))
    try:
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam(USER)
            except KeyError:
                pytest.skip(f"PostgreSQL does not run as root, and there is no user {USER}")
            os.chown(folder, account.pw_uid, account.pw_gid)
            as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=folder, **as_user,
        )  # fmt: skip
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-h", "", "-F"],
            stdout=log, stderr=log, cwd=folder, **as_user,
        )  # fmt: skip
        try:
            _wait_for(folder, binaries, server)
            yield str(folder)
        finally:
            server.terminate()
            server.wait()
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(folder: Path, binaries: Path, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        ready = subprocess.run(
            [binaries / "pg_isready", "-q", "-h", folder, "-U", "tester", "-d", "postgres"],
            check=False,
        )
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    pytest.fail(f"PostgreSQL ended: {(folder / 'log').read_text()[-2_000:]}")


@pytest.fixture
def postgresql_address(postgresql_socket: str, request: pytest.FixtureRequest) -> str:
    """A new database on the server."""
    import psycopg

    name = f"t{abs(hash(request.node.nodeid)):x}_{time.monotonic_ns():x}"
    with psycopg.connect(
        host=postgresql_socket, user="tester", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://tester@/{name}?host={postgresql_socket}"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.db'}"
    return str(request.getfixturevalue("postgresql_address"))


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """An empty database of either kind."""
    with open_database(address) as opened:
        yield opened
