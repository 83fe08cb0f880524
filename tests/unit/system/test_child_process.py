"""A process that works for another: it does not outlive it, and its answers stay apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def child(code: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own, started by this one, answers."""
    return subprocess.run(
        [sys.executable, "-c", f"from edgecnn.system.child_process import *\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_whose_parent_was_gone_before_it_asked_ends_at_once():
    other = os.getppid()  # whoever it is, it did not start the child
    assert child(f"die_with_parent({other}); print('lives on')").stdout == ""
    assert child(f"die_with_parent({other})").returncode == 1


def test_a_process_with_its_parent_lives_on():
    done = child(f"die_with_parent({os.getpid()}); print('lives on')")
    assert (done.returncode, done.stdout) == (0, "lives on\n")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_is_killed_with_its_parent():
    code = (
        "import os, subprocess, sys\n"
        "inner = 'import os, sys, time; '\\\n"
        "        'from edgecnn.system.child_process import die_with_parent; '\\\n"
        "        'die_with_parent(os.getppid()); print(0, flush=True); time.sleep(60)'\n"
        "process = subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE)\n"
        "process.stdout.readline()\n"
        "print(process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    pid = int(child(code).stdout)
    for _ in range(200):
        try:
            with Path(f"/proc/{pid}/stat").open(encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail(f"process {pid} outlived its parent")


def test_what_libraries_print_goes_to_standard_error():
    done = child("answers = claim_standard_output(); print('noise'); print('answer', file=answers)")
    assert (done.stdout, done.stderr) == ("answer\n", "noise\n")
