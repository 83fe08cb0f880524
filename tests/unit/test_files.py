"""A file is whole or not there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.files import (
    NotAFileError,
    atomic_path,
    check_regular_file,
    open_regular_file,
    read_file,
    read_json_file,
    read_text_file,
    refuse_overwrite,
    write_text_atomically,
)


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


READERS = (
    check_regular_file,
    open_regular_file,
    lambda path: read_file(path, limit=100),
    lambda path: read_text_file(path, limit=100),
    read_json_file,
)


@pytest.mark.parametrize("read", READERS)
def test_a_pipe_a_folder_and_a_device_are_refused_at_once(tmp_path: Path, read):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path, kind in (
        (pipe, "a named pipe"),
        (link, "a named pipe"),
        (tmp_path, "a folder"),
        (Path("/dev/zero"), "a device"),
    ):
        with pytest.raises(NotAFileError, match=f"expected a file, received {kind}") as failure:
            read(path)
        assert failure.value.hint


@pytest.mark.parametrize("read", READERS)
def test_a_socket_and_what_is_not_there_are_refused(tmp_path: Path, read):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(NotAFileError, match="received a socket"):
            read(tmp_path / "s")
    with pytest.raises(InputError, match="no such file: "):
        read(tmp_path / "absent")
    with pytest.raises(InputError, match="null"):
        read(Path("a\0b"))


def test_no_more_is_read_than_was_said(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_file(path, limit=5) == b"12345"
    with pytest.raises(InputError, match="larger than 4 bytes"):
        read_file(path, limit=4)
    with pytest.raises(InputError, match="larger than 4 bytes"):  # a file that tells no size
        read_file(Path("/proc/self/status"), limit=4)


def test_text_is_utf_8_with_or_without_its_mark(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text_file(path, limit=10) == "abc"
    path.write_bytes(b"ab\xff")
    with pytest.raises(InputError, match="byte 0xff at 2 is not UTF-8"):
        read_text_file(path, limit=10)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not a complete JSON file"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' comes twice"),
        ("1" * 5_000, "not a complete JSON file"),
    ],
)
def test_json_that_cannot_be_understood_is_one_line(tmp_path: Path, content: str, reason: str):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=reason) as failure:
        read_json_file(path)
    assert "\n" not in failure.value.message
