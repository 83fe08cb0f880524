"""The queue of this machine: where a job's files and its board are, and whose clients are gone."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.boards import inventory
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob
from edgecnn.boards.queue import Queue, processes_here
from edgecnn.store import open_database
from edgecnn.store.sql import Database

BOARD = Board("ssh://host", name="one")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    with open_database(str(tmp_path / "queue.db")) as opened:
        yield opened


def test_a_command_that_is_repeated_says_where_the_files_are_by_now(database):
    first = BoardJob({"ab": Path("old.tflite")}, ("--labels", "{file:cd}"), {"cd": Path("old.txt")})
    moved = BoardJob({"ab": Path("new.tflite")}, first.words, {"cd": Path("new.txt")}, "edgecnn …")

    async def held_twice() -> tuple[BoardJob, BoardJob]:
        queue = Queue(database)
        ticket = await queue.hold(BOARD, first, Path("out.json"))
        await ticket.give_back("it is away")
        again = await queue.hold(BOARD, moved, Path("out.json"))
        queue.drop(again)
        return ticket.job, again.job

    before, after = asyncio.run(held_twice())
    assert (after.models, after.files, after.command) == (moved.models, moved.files, "edgecnn …")
    assert before.nonce == after.nonce, "it is the same measurement"


@pytest.mark.parametrize(
    ("listed", "address"), [(True, "ssh://moved"), (False, "ssh://rpi5")], ids=["listed", "typed"]
)
def test_a_job_is_resumed_where_its_board_is_and_not_where_another_of_its_name_is(
    database, listed, address
):
    """An address that was typed is not the board that is entered under its name later."""
    board = Board("ssh://rpi5", name="rpi5")
    if listed:
        inventory.add(board)
    Queue(database).add(board, BoardJob({}, ()), Path("out.json"))
    inventory.add(Board("ssh://moved", name="rpi5"), force=True)

    async def taken() -> Board:
        queue = Queue(database)
        ticket = await queue.take("rpi5")
        queue.drop(ticket)
        return ticket.board

    assert asyncio.run(taken()).address == address


@pytest.mark.parametrize(
    ("place", "state"),
    [(processes_here(), "queued"), ("0123456789ab", "taken"), ("", "taken")],
    ids=["this machine", "a machine of the same name", "an older edgecnn"],
)
def test_jobs_are_taken_from_the_dead_of_this_machine_alone(database, place, state):
    """A process of the same number in another container says nothing of that client."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    words = [socket.gethostname(), str(ended.pid), *([place] if place else []), "0a0b"]
    database.enqueue("a", "one", {})
    database.take(" ".join(words))
    Queue(database)
    assert [job.state for job in database.jobs()] == [state]


def test_jobs_of_the_living_stay_theirs(database):
    database.enqueue("a", "one", {})
    database.take(f"{socket.gethostname()} {os.getpid()} {processes_here()} 0a0b")
    Queue(database)
    assert [job.state for job in database.jobs()] == ["taken"]
