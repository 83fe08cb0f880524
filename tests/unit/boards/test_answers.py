"""Whatever a board answers is a board that cannot measure, never a traceback."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import time
import zipfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.boards import (
    checking,
    health_report,
    inventory,
    preparing,
    queue,
    remote,
    transfer,
    wheel,
    wheels,
    work,
)
from edgecnn.boards.checking import Checked, judged
from edgecnn.boards.connection import BoardError
from edgecnn.boards.inventory import Board
from edgecnn.cli import invoke
from edgecnn.cli.screen import messages, progress
from edgecnn.errors import InputError
from edgecnn.store import open_database
from tests.unit.store import made_up

BOARD = Board("ssh://host", name="one")
HEALTHY = {
    "machine": {"board": "Raspberry Pi 5", "logical_cores": 4, "governor": "performance"},
    "kernel": "6.12",
    "free_memory_bytes": 4e9,
    "free_disk_bytes": 9e9,
    "temperature_c": 51.0,
    "throttled": False,
    "throttled_by": [],
    "runtimes": {"litert:cpu": {"available": True, "reason": ""}},
}
FACTS = {
    "home": "/home/pi/.local/share/edgecnn/board",
    "free": 9e9,
    "python": [3, 11, 2],
    "executable": "/usr/bin/python3",
    "missing": [],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def test_a_healthy_board_can_measure():
    assert judged(BOARD, HEALTHY).fit


@pytest.mark.parametrize(
    "change",
    [
        {"kernel_ms": 0.18, "kernel_best_ms": 0.1},  # a neighbor on a shared core
        {"temperature_c": 90.0, "zone_c": 90.0, "zone_limit_c": 97.0},  # made for it
        {"temperature_c": None, "kernel_ms": None},  # nothing says it there
    ],
)
def test_a_board_that_is_as_it_should_be_is_not_taken_out(change):
    assert list(health_report.troubles({**HEALTHY, **change})) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"throttled": True, "throttled_by": ["under-voltage"]}, "throttled by under-voltage"),
        ({"free_memory_bytes": 5e7}, "only 0.1 GB of memory"),
        ({"free_disk_bytes": 5e7}, "only 0.1 GB of disk"),
        ({"temperature_c": 86.0}, "it is at 86 °C, its limit is 85 °C"),
        ({"zone_c": 71.0, "zone_limit_c": 70.0}, "it is at 71 °C, its limit is 70 °C"),
        (
            {"kernel_ms": 0.26, "kernel_best_ms": 0.1, "clock_mhz": 600, "clock_max_mhz": 2_400},
            r"takes 2.6 times its best there \(clock 600 of 2400 MHz\)",
        ),
        ({"runtimes": {"litert:cpu": {"available": False}}}, "no runtime is installed"),
    ],
)
def test_a_sick_board_is_taken_out_and_said_so(change, line):
    found = judged(BOARD, {**HEALTHY, **change})
    assert not found.fit
    assert re.search(line, found.line)


@pytest.mark.parametrize("name", ["free_memory_bytes", "clock_mhz", "kernel_ms", "temperature_c"])
def test_a_number_of_400_digits_is_an_unreadable_answer(name):
    answer = {**HEALTHY, "clock_max_mhz": 2_400, "kernel_best_ms": 0.1, name: 10**400}
    assert judged(BOARD, answer).line == "one: gave an unreadable answer"


@given(name=st.sampled_from(sorted(HEALTHY)), value=JSON)
def test_any_answer_to_check_is_judged(name, value):
    judged(BOARD, {**copy.deepcopy(HEALTHY), name: value})


@given(name=st.sampled_from([*sorted(FACTS), "time"]), value=JSON)
def test_any_facts_are_taken_or_refused(name, value):
    with suppress(BoardError):
        preparing.checked(BOARD, {**FACTS, "time": time.time(), name: value})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"python": [3, 9, 2]}, "has Python 3.9"),
        ({"free": 1e6}, "1 MB are free"),
        ({"late_s": 900}, "its clock is 15 minutes behind"),
        ({"late_s": -9e6}, "its clock is 2500 hours ahead"),
        ({"problem": "Read-only file system"}, "cannot write there: Read-only file system"),
        ({"home": "here"}, "gave an unreadable answer"),
        ({"python": "new"}, "gave an unreadable answer"),
    ],
)
def test_a_board_that_cannot_take_jobs_says_why(change, line):
    now = time.time() - change.get("late_s", 0)  # here, not where tests are collected
    with pytest.raises(BoardError, match=line):
        preparing.checked(BOARD, {**FACTS, "time": now, **change})


@given(
    name=st.sampled_from(
        ["board", "models", "files", "words", "command", "repeat", "nonce", "out"]
    ),
    value=JSON,
)
def test_a_job_that_somebody_changed_in_the_database_is_refused(name, value):
    job = remote.BoardJob({"ab": Path("m.tflite")}, ("--quick",))
    document = json.loads(json.dumps(queue.document_of(BOARD, job, Path("out.json"))))
    board, same, out = queue.read_document(document)
    assert (board, same.words, out.name) == (BOARD, job.words, "out.json")
    with suppress(InputError):
        queue.read_document({**document, name: value})


@pytest.mark.parametrize("total", [12, 10**9, 10**400], ids=["12", "1e9", "1e400"])
def test_progress_beyond_belief_is_not_shown(total, capsys):
    """A board that counts to 10**400 would end the work on all others."""
    work = remote._Work(
        BOARD, remote.BoardJob({}, ()), Path("out.json"), hold=remote.NoLease(), say=print,
        progress=progress._Lines(), force=False,
    )  # fmt: skip
    for done in range(12):
        work._tell({"state": "running", "progress": ["benchmark", done, total, "model"]})
    said = capsys.readouterr().err
    assert said.startswith("one: 0/12 benchmark model") if total == 12 else said == ""


def test_a_file_whose_name_no_board_can_be_told_is_bad_input(model_file):
    path = model_file.rename(os.fsdecode(os.fsencode(model_file.parent) + b"/m\xff.tflite"))
    with pytest.raises(InputError, match="is not UTF-8"):
        transfer.uploads_of_model(path)


def test_what_boards_say_steers_no_terminal(capsys):
    messages.say("one: \x1b[2Jgone")
    messages.say_error(BoardError("one: \x1b]0;title\x07", hint="\x9b31m"), debug=True)
    said = capsys.readouterr().err
    assert "one: " in said
    assert all(char.isprintable() for char in said.replace("\n", ""))


def test_what_an_examination_says_steers_no_terminal(monkeypatch, capsys, tmp_path):
    """An SSH server may say anything before anybody has checked who it is."""
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    inventory.add(Board("ssh://one", name="one"))
    line = Checked(BOARD, False, "one: cannot be reached: \x1b]0;title\x07", ("→ \x1b]0;\x07",))
    monkeypatch.setattr(checking, "check_all", lambda _: [line])
    assert invoke(["boards", "check"]) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err


def test_a_bug_that_one_board_meets_is_a_line_and_the_others_go_on(monkeypatch, tmp_path):
    results = made_up.session(1)

    async def odd(board, *_, **__):
        return 1 / 0 if board.name == "one" else results

    monkeypatch.setattr(work, "measure", odd)
    boards = [BOARD, Board("ssh://two", name="two")]
    outs = {board.name: tmp_path / f"{board.name}.json" for board in boards}
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    database = open_database(str(tmp_path / "a.db"))
    with closing(queue.Queue(database)) as jobs:
        outcome = work.measure_all(jobs, boards, remote.BoardJob({}, ()), outs, print)
        assert outcome.results == {"two": results}
        assert outcome.errors["one"].message == "one: ZeroDivisionError: division by zero"
        for board in boards:
            jobs.add(board, remote.BoardJob({}, ("again",)), outs[board.name])
        outcome = work.work_off(jobs, print)
        assert outcome.files == [outs["two"]]
        assert set(outcome.errors) == {"one"}


def test_a_bug_that_an_examination_meets_is_a_line_and_the_others_go_on(monkeypatch):
    def odd(board):
        return 1 / 0 if board.name == "one" else None

    monkeypatch.setattr(checking, "connected", odd)
    found = checking.check_all([BOARD, Board("ssh://two", name="two")])
    assert [each.fit for each in found] == [False, False]
    assert found[0].line == "one: ZeroDivisionError: division by zero"


def test_results_are_of_a_job_where_they_say_so(tmp_path):
    """The words hold the digests of the data and of other files that travel."""
    job = remote.BoardJob(
        {"ab": Path("m.tflite")}, ("--data", "sent:{file:cd}"), command="edgecnn …"
    )
    out = tmp_path / "out.json"
    results = made_up.session(1)

    def noted(**more: str) -> None:
        environment = replace(results.environment, machine={"name": "one", **more})
        replace(results, command=job.command, environment=environment).save(out)

    noted(job=remote.digest_of_job(BOARD, job))
    assert remote.is_of(out, BOARD, job)
    changed = replace(job, words=("--data", "sent:{file:ef}"))
    assert not remote.is_of(out, BOARD, changed)
    assert not remote.is_of(out, Board("ssh://two", name="two"), job)
    noted()  # as before that was noted
    assert not remote.is_of(out, BOARD, job)
    sha256 = results.measurements[0].artifact.sha256
    assert remote.is_of(out, BOARD, replace(job, models={sha256: Path("m.tflite")}))


def test_a_wheel_of_edgecnn_is_the_same_bytes_each_time_and_whole():
    name, content = wheel.build()
    assert wheel.build() == (name, content)
    names = set(zipfile.ZipFile(io.BytesIO(content)).namelist())
    assert {"edgecnn/__init__.py", "edgecnn/boards/runner.py"} <= names
    assert not any("__pycache__" in each for each in names)


def test_a_board_that_is_stored_with_a_password_is_refused():
    document = queue.document_of(BOARD, remote.BoardJob({}, ()), Path("out.json"))
    document["board"]["address"] = "ssh://me:s3cret@host"
    with pytest.raises(InputError, match="must not contain a password"):
        queue.read_document(document)


def test_an_edgecnn_of_another_code_finds_a_job_that_waits():
    job = remote.BoardJob({"ab": Path("m.tflite")}, (), nonce="12")
    assert job.name("code-1") == job.name("code-2")
    assert job.name("code-1") != replace(job, nonce="13").name("code-1")
    bare = replace(job, nonce="")
    assert bare.name("code-1") != bare.name("code-2")


@pytest.mark.parametrize(
    ("machine", "libc", "first", "last"),
    [
        ("aarch64", ("glibc", "2.36"), "manylinux_2_36_aarch64", "linux_aarch64"),
        ("x86_64", ("glibc", "2.31"), "manylinux_2_31_x86_64", "linux_x86_64"),
        ("armv7l", ("glibc", "2.36"), "manylinux_2_36_armv7l", "linux_armv7l"),
        ("aarch64", ("", ""), "musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
    ],
)
def test_a_machine_takes_wheels_of_its_own_kind(machine, libc, first, last):
    found = wheels.platforms({"platform_machine": machine, "platform_system": "Linux"}, libc)
    assert (found[0], found[-1]) == (first, last)
    assert len(found) == len(set(found))


def test_conditions_are_those_of_the_board():
    """An x86-64 client that asks for ARM64 gets what ARM64 needs."""
    lines = [
        "numpy>=1.26",
        'onnxruntime-gpu>=1.23; platform_machine == "x86_64" and extra == "onnx"',
        'onnxruntime>=1.23; platform_machine != "x86_64" and extra == "onnx"',
        'edgecnn[onnx]; extra == "all"',
        'psutil; python_version < "3.12"',
    ]
    markers = {"platform_machine": "aarch64", "python_version": "3.13"}
    found = {each.name for each in wheels._required("edgecnn", lines, ["all"], markers)}
    assert found == {"numpy", "onnxruntime"}
