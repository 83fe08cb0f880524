"""Whatever a board answers is a board that cannot measure, never a traceback."""

from __future__ import annotations

import copy
import io
import json
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.boards import queue, remote, wheel
from edgecnn.boards.checking import judged
from edgecnn.boards.connection import BoardError
from edgecnn.boards.inventory import Board
from edgecnn.errors import InputError

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
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def test_a_healthy_board_can_measure():
    assert judged(BOARD, HEALTHY).fit


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"throttled": True, "throttled_by": ["under-voltage"]}, "throttled by under-voltage"),
        ({"free_memory_bytes": 5e7}, "only 0.1 GB of memory"),
        ({"runtimes": {"litert:cpu": {"available": False}}}, "no runtime is installed"),
    ],
)
def test_a_sick_board_is_taken_out_and_said_so(change, line):
    found = judged(BOARD, {**HEALTHY, **change})
    assert not found.fit
    assert line in found.line


@given(name=st.sampled_from(sorted(HEALTHY)), value=JSON)
def test_any_answer_to_check_is_judged(name, value):
    judged(BOARD, {**copy.deepcopy(HEALTHY), name: value})


@given(name=st.sampled_from([*sorted(FACTS), "time"]), value=JSON)
def test_any_facts_are_taken_or_refused(name, value):
    with suppress(BoardError):
        remote._checked(BOARD, {**FACTS, "time": time.time(), name: value})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"python": [3, 9, 2]}, "has Python 3.9"),
        ({"free": 1e6}, "1 MB are free"),
        ({"time": time.time() - 7_200}, r"its clock is \d+ minutes behind"),
        ({"python": "new"}, "gave an answer that is none"),
    ],
)
def test_a_board_that_cannot_take_jobs_says_why(change, line):
    with pytest.raises(BoardError, match=line):
        remote._checked(BOARD, {**FACTS, "time": time.time(), **change})


@given(name=st.sampled_from(["board", "models", "words", "out"]), value=JSON)
def test_a_job_that_somebody_changed_in_the_database_is_refused(name, value):
    job = remote.Job({"ab": Path("m.tflite")}, ("--quick",))
    document = json.loads(json.dumps(queue.document_of(BOARD, job, Path("out.json"))))
    board, same, out = queue.read_document(document)
    assert (board, same.words, out.name) == (BOARD, job.words, "out.json")
    with suppress(InputError):
        queue.read_document({**document, name: value})


def test_a_wheel_of_edgecnn_is_the_same_bytes_each_time_and_whole():
    name, content = wheel.build()
    assert wheel.build() == (name, content)
    names = set(zipfile.ZipFile(io.BytesIO(content)).namelist())
    assert {"edgecnn/__init__.py", "edgecnn/boards/runner.py"} <= names
    assert not any("__pycache__" in each for each in names)
