"""What a killed process leaves is removed later; what a live one uses never is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from edgecnn.files import write_text_atomically
from edgecnn.system import scratch

HOLD = """
import sys, time
from pathlib import Path
from edgecnn.system import scratch
from edgecnn.files import atomic_path
with scratch.folder() as folder, atomic_path(Path(sys.argv[1])) as partial:
    (folder / "large").write_bytes(bytes(1000))
    partial.write_bytes(b"half")
    print("there", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder for temporary files, looked at for the first time."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    scratch.remove_stale.cache_clear()
    yield folder
    scratch.remove_stale.cache_clear()


@pytest.fixture
def holder(place, tmp_path):
    """A process that holds a temporary folder and writes half a file."""
    out = tmp_path / "out" / "results.json"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n"
    yield process, out
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_gone_at_the_end(place):
    with scratch.folder() as folder:
        assert list(place.iterdir()) == [folder]
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(holder, place):
    process, out = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(place.iterdir())) == len(list(out.parent.iterdir())) == 1
    with scratch.folder() as folder:
        assert list(place.iterdir()) == [folder]
    write_text_atomically(out, "{}")
    assert list(out.parent.iterdir()) == [out]


def test_what_a_live_process_uses_stays(holder, place):
    _process, out = holder
    with scratch.folder():
        assert len(list(place.iterdir())) == 2
    write_text_atomically(out, "{}")
    assert len(list(out.parent.iterdir())) == 2


def test_what_another_machine_or_container_left_stays(place, monkeypatch):
    for name in ("edgecnn-1-2-00000000-0000-x", "edgecnn-notes", "my-edgecnn-1-2.txt"):
        (place / name).mkdir()
    with scratch.folder():
        assert len(list(place.iterdir())) == 4


def test_a_link_with_such_a_name_is_not_followed(place, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("")
    name = f"edgecnn-{gone()}-1-{scratch._place()}-{scratch._boot()}-x"
    (place / name).symlink_to(kept)
    with scratch.folder():
        assert (kept / "file").exists()
        assert (place / name).is_symlink()


def test_a_process_id_that_was_given_to_another_process_counts_as_gone(place):
    name = f"edgecnn-{os.getpid()}-1-{scratch._place()}-{scratch._boot()}-x"
    assert scratch.is_stale(name)
    (place / name).mkdir()
    with scratch.folder() as folder:
        assert list(place.iterdir()) == [folder]


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
