"""Ctrl-C, SIGTERM and a closed terminal, at any moment of any verb."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EDGECNN = [sys.executable, "-c", "from edgecnn.cli import main; main()"]


def interrupted(arguments, after_secs: float, number: int = signal.SIGINT, **more):
    """(exit code, standard error) of a command that gets a signal."""
    process = subprocess.Popen(
        [*EDGECNN, *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more,
    )  # fmt: skip
    wait_for_handler(process)
    time.sleep(after_secs)
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def wait_for_handler(process: subprocess.Popen) -> None:
    """Until the command takes signals itself: before that, it is Python that still starts."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        if caught & 1 << (signal.SIGTERM - 1):
            return
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_doctor_ends_at_once_and_leaves_no_worker(number, tmp_path):
    mark = f"edgecnn-test-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [*EDGECNN, "doctor"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**_environment(), "MARK": mark},
    )  # fmt: skip
    while not (workers := set(_processes_with(mark)) - {str(process.pid)}):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    assert workers
    assert process.returncode == 130
    assert said.strip() == "interrupted"
    assert not _processes_with(mark)


@pytest.mark.parametrize(
    "after_secs", [0.0, 0.3, *(pytest.param(secs, marks=pytest.mark.slow) for secs in (0.1, 0.7))]
)
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--model", "lenet5", "--data", "digits", "--out", "x.keras"],
        ["models"],
        ["doctor"],
        ["detect", "synthetic", "--headless"],
        ["data", "inspect", "digits", "--out", "look"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_interruption_while_a_verb_starts_is_one(tmp_path, arguments, after_secs):
    code, said = interrupted(arguments, after_secs, cwd=tmp_path)
    assert "Traceback" not in said
    if code in (0, -signal.SIGINT):  # a command that is done gives the signal back to the system
        pytest.skip("it was done by then")
    assert code == 130
    assert "interrupted" in said


def test_a_signal_that_was_switched_off_stays_off(tmp_path):
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); " + EDGECNN[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program, "data", "inspect", "digits"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_handler(process)
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    assert process.wait(300) == 0


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _processes_with(mark: str) -> list[str]:
    """Processes whose environment holds `mark`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
