"""Converters that are programs of their own, in a process that may crash or hang."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import InputError


@dataclass(frozen=True)
class Finished:
    """How a program ended: its exit status, negative for a signal, and the lines it printed."""

    status: int
    lines: tuple[str, ...]

    @property
    def signal_name(self) -> str:
        """The signal that ended it ("SIGSEGV"); empty where it ended by itself."""
        return signal.Signals(-self.status).name if self.status < 0 else ""


def run_tool(
    name: str, command: Sequence[str], *, timeout_secs: float, hint: str, cwd: Path | None = None
) -> Finished:
    """Run a program to its end. Raises InputError where that takes too long."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_secs,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{name} took more than {timeout_secs:.0f} s", hint=hint) from error
    lines = (line.strip() for line in (done.stdout + done.stderr).splitlines())
    return Finished(done.returncode, tuple(line for line in lines if line))
