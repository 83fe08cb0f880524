"""The queue of jobs for boards, in the database of results: what is under way, and where.

It outlives every client: a job whose client was killed is free again after a minute, and
`edgecnn boards resume` takes it up. Without the extra `store` there is no queue, and jobs are
found again by giving the same command.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.boards import inventory
from edgecnn.boards.connection import BoardError, TakenOverError
from edgecnn.boards.inventory import Board, check
from edgecnn.boards.job import BoardJob
from edgecnn.boards.job import digest_of_job as digest_of
from edgecnn.errors import EdgeCNNError, InputError, MissingDependencyError
from edgecnn.records import read_field
from edgecnn.results import Results
from edgecnn.store import open_database

if TYPE_CHECKING:
    from edgecnn.store.sql import Database
    from edgecnn.store.sql import QueuedJob as Stored

RENEW_SECS = 15.0
LABEL = "boards"


class Queue:
    """Jobs of this client and of others; without a database it does nothing."""

    def __init__(self, database: Database | None) -> None:
        self.database = database
        self._client = (
            f"{socket.gethostname()} {os.getpid()} {processes_here()} {secrets.token_hex(4)}"
        )
        self._held: dict[int, JobLease] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._known = inventory.load()  # where boards are by now
        self._free_jobs_of_the_dead()

    @classmethod
    def open(cls) -> Queue:
        """The queue in the user's database; none without the extra `store`."""
        try:
            return cls(open_database())
        except MissingDependencyError:
            return cls(None)

    def close(self) -> None:
        """Close the database."""
        if self.database is not None:
            self.database.close()

    async def hold(
        self, board: Board, job: BoardJob, out: Path, *, force: bool = False
    ) -> JobLease:
        """Hold a job while it is worked on. With `force` it is a new measurement even when one of
        the same job is not done.

        Raises BoardError when another client works on it.
        """
        if self.database is None:
            return JobLease(self, None, board, job, out)
        digest = digest_of(board, job)
        fresh = replace(job, nonce=secrets.token_hex(8))
        document = document_of(board, fresh, out, listed=self._lists(board))
        database = self.database

        def take() -> Stored | None:
            database.enqueue(digest, board.name, document, again=force)
            return database.take(self._client, [digest])

        stored = await asyncio.to_thread(take)
        if stored is None:
            raise BoardError(
                f"{board.name}: another client works on this job",
                hint="wait for it, or see edgecnn boards jobs",
            )
        ticket = self._ticket(stored)
        ticket.board, ticket.out = board, out
        ticket.job = replace(job, nonce=ticket.job.nonce)  # its files may lie elsewhere by now
        return ticket

    def add(self, board: Board, job: BoardJob, out: Path) -> None:
        """Put a job into the queue for whoever takes it. Raises InputError without a database."""
        if self.database is None:
            raise InputError("a queue needs edgecnn[store]", hint="pip install 'edgecnn[store]'")
        job = replace(job, nonce=secrets.token_hex(8))
        document = document_of(board, job, out, listed=self._lists(board))
        self.database.enqueue(digest_of(board, job), board.name, document)

    async def take(self, board: str, without: Sequence[int] = ()) -> JobLease | None:
        """The oldest job for a board that nobody works on; None when there is none but those of
        the numbers in `without`.
        """
        database = self.database
        if database is None:
            return None
        while True:
            stored = await asyncio.to_thread(
                database.take, self._client, board=board, without=without
            )
            if stored is None:
                return None
            with suppress(EdgeCNNError):
                return self._ticket(stored)
            await asyncio.to_thread(database.finish, stored, error="it cannot be read")

    def boards(self) -> list[str]:
        """The names of boards for which jobs wait that nobody works on."""
        return [] if self.database is None else self.database.waiting_boards()

    def _lists(self, board: Board) -> bool:
        """Whether a board is one of the inventory, not an address that was typed."""
        return self._known.get(board.name) == board

    def _ticket(self, stored: Stored) -> JobLease:
        board, job, out = read_document(stored.document)
        if stored.document.get("listed", True):
            board = self._known.get(board.name, board)
        ticket = JobLease(self, stored, board, job, out)
        self._held[stored.id] = ticket
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        return ticket

    def drop(self, ticket: JobLease) -> None:
        """Renew a job no more."""
        if ticket.stored is not None:
            self._held.pop(ticket.stored.id, None)
        if not self._held and self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def _renew(self) -> None:
        """Keep all jobs that are held, together; note those that another client has by now."""
        assert self.database is not None
        while True:
            await asyncio.sleep(RENEW_SECS)
            numbers = list(self._held)
            try:
                kept = await asyncio.to_thread(self.database.renew_all, numbers, self._client)
            except EdgeCNNError:  # the database is away: it is asked again, the lease is longer
                continue
            for number in numbers:
                if number not in kept and number in self._held:
                    self._held[number].lost = True

    def _free_jobs_of_the_dead(self) -> None:
        """A client of this machine whose process is gone needs no minute to be believed dead."""
        if self.database is None:
            return
        gone = []
        for client in self.database.busy_clients():
            words = client.split(" ")
            if len(words) != 4 or words[2] != processes_here() or not words[1].isdigit():
                continue
            try:
                os.kill(int(words[1]), 0)
            except (ProcessLookupError, OverflowError):
                gone.append(client)
            except PermissionError:
                continue
        if gone:
            self.database.release_all(gone)


class JobLease:
    """A job that is held: `remote.Hold`."""

    def __init__(
        self, queue: Queue, stored: Stored | None, board: Board, job: BoardJob, out: Path
    ) -> None:
        self._queue = queue
        self.stored = stored
        self.board = board
        self.job = job
        self.out = out
        self.lost = False

    async def check(self) -> None:
        """Raise TakenOverError when another client has the job by now."""
        if self.stored is None:
            return
        database = self._queue.database
        assert database is not None
        if not await asyncio.to_thread(database.renew, self.stored):
            raise self._taken_over()

    async def keep(self, results: Results, *, error: str = "") -> bool:
        """Store the results and note that the job is done, or has failed, both or neither.

        Raises TakenOverError when another client has the job by now.
        """
        if self.stored is None:
            return False
        database, stored = self._queue.database, self.stored
        assert database is not None

        def keep() -> bool:
            return database.complete(
                stored, results, label=LABEL, machine=self.board.name, error=error
            )

        if not await asyncio.to_thread(keep):
            raise self._taken_over()
        self._queue.drop(self)
        return True

    async def give_back(self, error: str = "") -> None:
        """Let the job wait for another time, and note why."""
        await self._end(lambda database, stored: database.release(stored, error=error))

    async def fail(self, error: str) -> None:
        """Note that the job cannot be done."""
        await self._end(lambda database, stored: database.finish(stored, error=error))

    async def _end(self, note: Any) -> None:
        self._queue.drop(self)
        if self.stored is not None:
            with suppress(EdgeCNNError):  # the lease ends by itself
                await asyncio.to_thread(note, self._queue.database, self.stored)

    def _taken_over(self) -> TakenOverError:
        self._queue.drop(self)
        return TakenOverError(
            f"{self.board.name}: another client has taken this job over",
            hint="its results are stored once: see edgecnn boards jobs",
        )


def processes_here() -> str:
    """What the number of a process is unique in: this start of this machine's kernel, and the
    namespace of its processes. Containers and copies of one system share a host name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        place = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        place = f"{socket.gethostname()} {uuid.getnode()}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def document_of(board: Board, job: BoardJob, out: Path, *, listed: bool = True) -> dict[str, Any]:
    """A job as JSON: nothing in it is secret. A board that is `listed` is where the inventory has
    it when the job is taken.
    """
    return {
        "board": asdict(board),
        "listed": listed,
        "models": _as_texts(job.models),
        "files": _as_texts(job.files),
        "words": list(job.words),
        "command": job.command,
        "repeat": list(job.repeat),
        "nonce": job.nonce,
        "out": str(out.absolute()),
    }


def _as_texts(files: Mapping[str, Path]) -> dict[str, str]:
    return {digest: str(path.absolute()) for digest, path in files.items()}


def read_document(document: Mapping[str, Any]) -> tuple[Board, BoardJob, Path]:
    """What `document_of` wrote. Raises InputError for anything else."""
    board = read_field(Board, document.get("board"), "board")
    check(board)
    models, files = (
        {digest: Path(path) for digest, path in paths.items()}
        for paths in (
            read_field(Mapping[str, str], document.get("models"), "models"),
            read_field(Mapping[str, str], document.get("files", {}), "files"),
        )
    )
    words = read_field(tuple[str, ...], document.get("words"), "words")
    out = read_field(str, document.get("out"), "out")
    if not out.endswith(".json"):
        raise InputError("out is no .json file")
    job = BoardJob(
        models,
        words,
        files,
        read_field(str, document.get("command", ""), "command"),
        read_field(tuple[str, ...], document.get("repeat", ()), "repeat"),
        read_field(str, document.get("nonce", ""), "nonce"),
    )
    return board, job, Path(out)
