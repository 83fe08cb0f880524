"""Boards for tests: real SSH servers on this machine's loopback, each with a home of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass
class Fleet:
    """Starts servers and knows the client's home."""

    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The client's home: its key, and the host keys that it knows."""
        return self.folder / "client"

    def start(self, name: str, *, known: bool = True, more: str = "", environment: str = "") -> str:
        """Start a server with a home of its own; its address."""
        place = self.folder / name
        (place / "home").mkdir(parents=True)
        key = place / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (place / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nUsePAM no\n"
            f"PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin yes\nSubsystem sftp internal-sftp\n"
            f"SetEnv HOME={place}/home {environment}\n{more}\n"
        )
        log = (place / "log").open("wb")
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", place / "config"], stderr=log)
        log.close()
        self.running.append(server)
        _wait_for(port, server, place / "log")
        if known:
            public = key.with_suffix(".pub").read_text().split()[:2]
            with (self.home / ".ssh" / "known_hosts").open("a") as hosts:
                hosts.write(f"[127.0.0.1]:{port} {' '.join(public)}\n")
        return f"ssh://127.0.0.1:{port}"

    def stop(self) -> None:
        """End all servers and what they started."""
        for server in self.running:
            server.terminate()
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    while server.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"sshd ended: {log.read_text()[-1_000:]}")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Servers on loopback, and a client's home with a key that they take."""
    if not Path(SSHD).exists():
        pytest.skip("no SSH server is installed (Debian's package openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, which its service makes otherwise
    folder = Path(tempfile.mkdtemp(prefix="edgecnn-boards-"))
    found = Fleet(folder)
    try:
        keys = found.home / ".ssh"
        keys.mkdir(parents=True, mode=0o700)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "id_ed25519"], check=True
        )
        shutil.copy(keys / "id_ed25519.pub", folder / "authorized")
        (keys / "known_hosts").touch()
        monkeypatch.setenv("HOME", str(found.home))
        monkeypatch.setenv("EDGECNN_HOME", str(folder / "edgecnn"))
        for name in ("SSH_AUTH_SOCK", "EDGECNN_DB"):
            monkeypatch.delenv(name, raising=False)
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def add(fleet: Fleet) -> Callable[..., None]:
    """Enter a board that runs this Python, which has all that is needed."""
    from edgecnn.cli import invoke

    def enter(name: str, address: str, *more: str) -> None:
        assert invoke(["boards", "add", name, address, "--python", sys.executable, *more]) == 0

    return enter
