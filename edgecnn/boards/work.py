"""Work on the jobs of many boards at once: each board its jobs, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.boards.connection import BoardError, JobError, TakenOverError, unexpected
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob
from edgecnn.boards.queue import JobLease, Queue
from edgecnn.boards.remote import measure
from edgecnn.errors import EdgeCNNError
from edgecnn.progress import Progress, silent
from edgecnn.results import Results

Say = Callable[[str], None]
CONNECTING = 32
"""Connections that are made at once: each takes this machine's processor for a while."""


@dataclass
class JobOutcome:
    """What became of jobs: results by board, what went wrong by board; of a whole queue the files
    that were written, the jobs that failed, and the boards that were taken out.
    """

    results: dict[str, Results] = field(default_factory=dict)
    errors: dict[str, EdgeCNNError] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    failed: list[EdgeCNNError] = field(default_factory=list)


def measure_all(
    queue: Queue,
    boards: Sequence[Board],
    job: BoardJob,
    outs: Mapping[str, Path],
    say: Say,
    *,
    force: bool = False,
    progress: Progress = silent,
) -> JobOutcome:
    """One job on every board, side by side. What goes wrong on one board is noted, and the others
    go on; a board that cannot measure now keeps its job in the queue.
    """
    outcome = JobOutcome()
    gate = asyncio.Semaphore(CONNECTING)

    async def one(board: Board) -> None:
        ticket = await queue.hold(board, job, outs[board.name], force=force)
        outcome.results[board.name] = await _worked_on(ticket, gate, say, progress, force=force)

    async def all_of_them() -> None:
        await asyncio.gather(*(_noted(board.name, one(board), outcome) for board in boards))

    asyncio.run(all_of_them())
    order = {board.name: number for number, board in enumerate(boards)}
    outcome.results = dict(sorted(outcome.results.items(), key=lambda item: order[item[0]]))
    outcome.errors = dict(sorted(outcome.errors.items(), key=lambda item: order[item[0]]))
    return outcome


def work_off(queue: Queue, say: Say, *, progress: Progress = silent) -> JobOutcome:
    """Every job that nobody works on: what was measured is fetched, what was not is measured.

    A board that cannot measure now is taken out, and its jobs wait for another time.
    """
    outcome = JobOutcome()
    gate = asyncio.Semaphore(CONNECTING)

    async def one(name: str) -> None:
        tried: list[int] = []
        while True:
            ticket = await queue.take(name, tried)
            if ticket is None or ticket.stored is None:
                return
            tried.append(ticket.stored.id)
            try:
                await _worked_on(ticket, gate, say, progress)
                outcome.files.append(ticket.out)
            except TakenOverError:
                continue
            except EdgeCNNError as error:  # the job failed, or its files are not here
                if isinstance(error, BoardError) and not isinstance(error, JobError):
                    raise
                outcome.failed.append(error)

    async def all_of_them() -> None:
        names = await asyncio.to_thread(queue.boards)
        await asyncio.gather(*(_noted(name, one(name), outcome) for name in names))

    asyncio.run(all_of_them())
    return outcome


async def _noted(name: str, work: Awaitable[None], outcome: JobOutcome) -> None:
    """Do the work of one board; whatever goes wrong is noted, and the other boards go on."""
    try:
        await work
    except EdgeCNNError as error:
        outcome.errors[name] = error
    except Exception as error:  # noqa: BLE001 (a bug, and said so)
        outcome.errors[name] = unexpected(name, error)


async def _worked_on(
    ticket: JobLease, gate: asyncio.Semaphore, say: Say, progress: Progress, *, force: bool = False
) -> Results:
    """The results of a job that is held; what becomes of it is noted in the queue."""
    try:
        return await measure(
            ticket.board,
            ticket.job,
            ticket.out,
            say,
            force=force,
            hold=ticket,
            gate=gate,
            progress=progress,
        )
    except JobError as error:
        await ticket.fail(error.message)
        raise
    except BaseException as error:  # interrupted, too: the job waits for another time
        await ticket.give_back(error.message if isinstance(error, EdgeCNNError) else "")
        raise
