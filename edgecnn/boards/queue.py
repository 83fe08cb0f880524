"""The queue of jobs for boards, in the database of results: what is under way, and where.

It outlives every client: a job whose client was killed is free again after a minute, and
`edgecnn boards resume` takes it up. Without the extra `store` there is no queue, and jobs are
found again by giving the same command.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.boards.connection import BoardError
from edgecnn.boards.inventory import Board
from edgecnn.boards.remote import Job
from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.records import read_field
from edgecnn.results import Results
from edgecnn.store import open_database

if TYPE_CHECKING:
    from edgecnn.store.sql import Database
    from edgecnn.store.sql import Job as Stored

RENEW_SECS = 15.0
LABEL = "boards"


class Queue:
    """Jobs of this client and of others; without a database it does nothing."""

    def __init__(self, database: Database | None) -> None:
        self.database = database
        self._client = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
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

    @asynccontextmanager
    async def held(self, board: Board, job: Job, out: Path) -> AsyncIterator[Ticket]:
        """Hold a job while it is worked on; what becomes of it is noted.

        Raises BoardError when another client works on it.
        """
        if self.database is None:
            yield Ticket(None, None)
            return
        digest = digest_of(board, job)
        self.database.enqueue(digest, board.name, document_of(board, job, out))
        stored = self.database.take(self._client, [digest])
        if stored is None:
            raise BoardError(
                f"{board.name}: another client works on this job",
                hint="wait for it, or see edgecnn boards jobs",
            )
        async with self.working_on(stored) as ticket:
            yield ticket

    def _free_jobs_of_the_dead(self) -> None:
        """A client of this machine whose process is gone needs no minute to be believed dead."""
        for job in self.database.jobs() if self.database is not None else ():
            host, _, rest = job.client.partition(" ")
            number = rest.partition(" ")[0]
            if job.state != "taken" or host != socket.gethostname() or not number.isdigit():
                continue
            try:
                os.kill(int(number), 0)
            except (ProcessLookupError, OverflowError):
                assert self.database is not None
                self.database.release(job)
            except PermissionError:
                continue

    def take(self) -> Stored | None:
        """Any job that nobody works on; None when there is none."""
        return self.database.take(self._client) if self.database is not None else None

    @asynccontextmanager
    async def working_on(self, stored: Stored) -> AsyncIterator[Ticket]:
        """Renew a job that was taken while the block works on it; note it when it fails."""
        database = self.database
        assert database is not None

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_SECS)
                database.renew(stored)

        task = asyncio.create_task(renew())
        try:
            yield Ticket(database, stored)
        except Exception as error:
            database.finish(stored, error=str(error) or type(error).__name__)
            raise
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class Ticket:
    """A job that is held."""

    def __init__(self, database: Database | None, stored: Stored | None) -> None:
        self._database = database
        self._stored = stored

    def done(self, results: Results) -> None:
        """Keep the results, and note that the job is done."""
        if self._database is not None and self._stored is not None:
            added = self._database.add(results, label=LABEL, machine=self._stored.board)
            self._database.finish(self._stored, session=added.session)


def digest_of(board: Board, job: Job) -> str:
    """What a job is known by: the board, the models and the words."""
    identity = json.dumps([board.name, board.address, sorted(job.models), job.words])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def document_of(board: Board, job: Job, out: Path) -> dict[str, Any]:
    """A job as JSON: nothing in it is secret."""
    return {
        "board": asdict(board),
        "models": {digest: str(path.absolute()) for digest, path in job.models.items()},
        "words": list(job.words),
        "out": str(out.absolute()),
    }


def read_document(document: Mapping[str, Any]) -> tuple[Board, Job, Path]:
    """What `document_of` wrote. Raises InputError for anything else."""
    board = read_field(Board, document.get("board"), "board")
    models = read_field(Mapping[str, str], document.get("models"), "models")
    words = read_field(tuple[str, ...], document.get("words"), "words")
    out = read_field(str, document.get("out"), "out")
    if not out.endswith(".json"):
        raise InputError("out is no .json file")
    return board, Job({digest: Path(path) for digest, path in models.items()}, words), Path(out)
