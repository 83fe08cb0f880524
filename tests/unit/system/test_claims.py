"""Two processes never write one output: the second is refused, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.system.claims import lock_outputs

HOLDER = """
import sys, time
from pathlib import Path
from edgecnn.system.claims import lock_outputs
with lock_outputs(*map(Path, sys.argv[1:])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder():
    """Another process that holds outputs until it is killed."""
    running = []

    def start(*paths: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, *map(str, paths)], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_what_another_process_writes_is_refused_with_its_number(tmp_path: Path, holder):
    process = holder(tmp_path / "results.json")
    with (
        pytest.raises(InputError, match=rf"another edgecnn \(process {process.pid}\)") as failure,
        lock_outputs(tmp_path / "other.json", tmp_path / "results.json"),
    ):
        pass
    assert "another --out" in failure.value.hint
    with lock_outputs(tmp_path / "other.json"):  # was let go when the second was refused
        pass


def test_two_names_of_one_output_are_one(tmp_path: Path, holder):
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    holder(tmp_path / "folder")
    with pytest.raises(InputError, match="being written"), lock_outputs(tmp_path / "link"):
        pass


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path, holder):
    process = holder(tmp_path / "results.json")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / ".results.json.lock").exists()
    with lock_outputs(tmp_path / "results.json"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_outputs_whose_long_names_begin_the_same_are_two(tmp_path: Path):
    first, second = (tmp_path / f"{'x' * 120}{end}.json" for end in "ab")
    with lock_outputs(first, second):
        assert len(list(tmp_path.iterdir())) == 2


def test_one_process_may_hold_an_output_several_times(tmp_path: Path):
    with lock_outputs(tmp_path / "a"), lock_outputs(tmp_path / "a", tmp_path / "b"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".a.lock", ".b.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_clear_line():
    with pytest.raises(InputError, match="cannot write"), lock_outputs(Path("/proc/none/x.json")):
        pass
