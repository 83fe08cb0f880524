"""Boards for tests and benchmarks: real SSH servers, each with a home of its own.

On loopback; or in a network and process namespace, where the link can be cut and the machine be
switched off. What a board's Python says of its machine can be changed, which stands for another
clock, another architecture or an older Python.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
HOME = ".local/share/edgecnn/board"
"""Where edgecnn lives on a board, below the user's home."""


@dataclass
class Machine:
    """A board: where it is reached, and how things go wrong with it."""

    name: str
    place: Path
    address: str
    command: list[str]
    server: subprocess.Popen[bytes] | None = None
    link: str = ""
    """The network interface on this side; empty on loopback."""

    @property
    def home(self) -> Path:
        """The user's home there."""
        return self.place / "home"

    @property
    def edgecnn(self) -> Path:
        """edgecnn's own folder there."""
        return self.home / HOME

    @property
    def jobs(self) -> list[Path]:
        """Folders of jobs whose results nobody has fetched yet."""
        return [path for path in self.edgecnn.glob("jobs/*") if not (path / "fetched").exists()]

    def switch_on(self) -> None:
        """Start the server and wait until it answers."""
        host, port = self.address.removeprefix("ssh://").rsplit(":", 1)
        for _ in range(5):  # what ended with the power may hold the port for an instant
            with (self.place / "log").open("ab") as log:
                self.server = subprocess.Popen(self.command, stderr=log, start_new_session=True)
            while self.server.poll() is None:
                with socket.socket() as attempt:
                    attempt.settimeout(1)
                    if attempt.connect_ex((host, int(port))) == 0:
                        return
                time.sleep(0.02)
            time.sleep(0.5)
        raise RuntimeError(f"sshd ended: {(self.place / 'log').read_text()[-1_000:]}")

    def switch_off(self) -> None:
        """The power is gone: everything that runs there ends at once."""
        if self.server is None:
            return
        if self.link:  # the first process of a namespace takes all others with it
            self.server.kill()
            self.server.wait()
        else:
            for process in [self.server.pid, *self.processes()]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.server.wait()
        self.server = None

    def processes(self) -> list[int]:
        """Everything that runs there, found by its home."""
        mark = f"HOME={self.home}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def cut(self) -> None:
        """Pull the plug of the network: nobody is told."""
        subprocess.run(["ip", "link", "set", self.link, "down"], check=True)

    def mend(self) -> None:
        """Put it back."""
        subprocess.run(["ip", "link", "set", self.link, "up"], check=True)

    def drop_connections(self) -> None:
        """End the sessions, as a router that restarts does; the server itself stays."""
        if self.server is None:
            return
        listening = _children(self.server.pid)[0] if self.link else self.server.pid
        for child in _children(listening):
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                    os.kill(child, signal.SIGKILL)


@dataclass
class Fleet:
    """Starts machines and knows the client's home."""

    folder: Path
    machines: dict[str, Machine] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The client's home: its key, and the host keys that it knows."""
        return self.folder / "client"

    def prepare(self) -> None:
        """A client with a key."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, which its service makes otherwise
        keys = self.home / ".ssh"
        keys.mkdir(parents=True, mode=0o700)
        make_key(keys / "id_ed25519")
        shutil.copy(keys / "id_ed25519.pub", self.folder / "authorized")
        (keys / "known_hosts").touch()

    def start(self, name: str, *, known: bool = True, more: str = "", environment: str = "") -> str:
        """A machine on loopback; its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return self._start(name, "127.0.0.1", port, [], known, more, environment).address

    def start_apart(self, name: str, number: int, *, environment: str = "") -> Machine:
        """A machine in namespaces of its own, which only root may make."""
        link, space = f"ecnn{os.getpid() % 10_000}x{number}", f"ecnn-{os.getpid()}-{number}"
        here, there = f"10.213.{number}.1", f"10.213.{number}.2"
        for command in (
            ["ip", "netns", "add", space],
            ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space],
            ["ip", "addr", "add", f"{here}/30", "dev", link],
            ["ip", "link", "set", link, "up"],
            ["ip", "-n", space, "addr", "add", f"{there}/30", "dev", "eth0"],
            ["ip", "-n", space, "link", "set", "eth0", "up"],
            ["ip", "-n", space, "link", "set", "lo", "up"],
        ):
            subprocess.run(command, check=True, capture_output=True)
        inside = ["ip", "netns", "exec", space, "unshare", "--pid", "--fork", "--kill-child",
                  "--mount-proc"]  # fmt: skip
        return self._start(name, there, 22, inside, True, "", environment, link=link)

    def _start(
        self, name: str, host: str, port: int, inside: list[str], known: bool, more: str,
        environment: str, *, link: str = "",
    ) -> Machine:  # fmt: skip
        place = self.folder / name
        (place / "home").mkdir(parents=True, exist_ok=True)
        key = place / "host_key"
        make_key(key)
        (place / "config").write_text(
            f"Port {port}\nListenAddress {host}\nHostKey {key}\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nUsePAM no\n"
            f"PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin yes\nSubsystem sftp internal-sftp\nMaxStartups 100\n"
            f"SetEnv HOME={place}/home {environment}\n{more}\n"
        )
        command = [*inside, SSHD, "-D", "-e", "-f", str(place / "config")]
        machine = Machine(name, place, f"ssh://{host}:{port}", command, link=link)
        self.machines[name] = machine
        machine.switch_on()
        if known:
            public = key.with_suffix(".pub").read_text().split()[:2]
            shown = f"[{host}]:{port}" if port != 22 else host
            with (self.home / ".ssh" / "known_hosts").open("a") as hosts:
                hosts.write(f"{shown} {' '.join(public)}\n")
        return machine

    def python(self, name: str, changes: str) -> Path:
        """A Python that runs `changes` first: what it says of its machine is not true then."""
        folder = self.folder / f"python-{name}"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(changes)
        script = folder / "python3"
        script.write_text(
            f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec {sys.executable} "$@"\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return script

    def stop(self) -> None:
        """End all servers and what they started."""
        for machine in self.machines.values():
            machine.switch_off()
            if machine.link:
                number = machine.link.partition("x")[2]
                subprocess.run(["ip", "netns", "del", f"ecnn-{os.getpid()}-{number}"], check=False)


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in found.split()]


def make_key(path: Path) -> None:
    """An SSH key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def may_have_namespaces() -> bool:
    """Whether this user may make network and process namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"ecnn-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made.returncode == 0


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, mounted at `place`; only root may."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)
