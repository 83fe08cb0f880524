"""A file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.files import atomic_path, refuse_overwrite, write_text_atomically


def test_a_failed_write_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "results.json"
    target.write_text("before")

    def interrupted() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_running_out_of_space_while_writing_names_the_file_and_the_way_out(tmp_path: Path):
    target = tmp_path / "model.tflite"
    target.write_text("before")

    def fill() -> None:
        with atomic_path(target), Path("/dev/full").open("w") as full:
            full.write("x")

    with pytest.raises(InputError, match=r"cannot write .*model\.tflite: No space left") as failure:
        fill()
    assert "free some space" in failure.value.hint
    assert target.read_text() == "before"


def test_a_folder_that_cannot_be_made_is_a_clear_line():
    with pytest.raises(InputError, match=r"cannot write /proc/nowhere/x\.json"):
        write_text_atomically(Path("/proc/nowhere/x.json"), "{}")


def test_missing_folders_are_made(tmp_path: Path):
    write_text_atomically(tmp_path / "a" / "b.txt", "content")
    assert (tmp_path / "a" / "b.txt").read_text() == "content"


def test_nothing_is_overwritten_without_force(tmp_path: Path):
    path = tmp_path / "x"
    refuse_overwrite(path, force=False)
    path.touch()
    refuse_overwrite(path, force=True)
    with pytest.raises(InputError, match="exists already"):
        refuse_overwrite(path, force=False)
