"""Boards for tests: real SSH servers on this machine's loopback, each with a home of its own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.boards.machines import SSHD, Fleet, Machine, may_have_namespaces


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Servers on loopback, and a client's home with a key that they take."""
    if not Path(SSHD).exists():
        pytest.skip("no SSH server is installed (Debian's package openssh-server)")
    found = Fleet(Path(tempfile.mkdtemp(prefix="edgecnn-boards-")))
    try:
        found.prepare()
        monkeypatch.setenv("HOME", str(found.home))
        monkeypatch.setenv("EDGECNN_HOME", str(found.folder / "edgecnn"))
        for name in ("SSH_AUTH_SOCK", "EDGECNN_DB"):
            monkeypatch.delenv(name, raising=False)
        yield found
    finally:
        found.stop()
        shutil.rmtree(found.folder, ignore_errors=True)


@pytest.fixture
def apart(fleet: Fleet) -> Machine:
    """A machine whose link can be cut and which can be switched off."""
    if not may_have_namespaces():
        pytest.skip("this user may not make network namespaces")
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return fleet.start_apart("apart", 1 + worker)  # a network of its own for each of the workers


@pytest.fixture
def add(fleet: Fleet) -> Callable[..., None]:
    """Enter a board that runs this Python, which has all that is needed."""
    from edgecnn.cli import invoke

    def enter(name: str, address: str, *more: str) -> None:
        python = () if "--python" in more else ("--python", sys.executable)
        assert invoke(["boards", "add", name, address, *python, *more]) == 0

    return enter
