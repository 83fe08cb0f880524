"""Measure a job on a board: send it, start it, wait, fetch the results.

A job's folder there has the job's name: a repeated command finds its job, whether it is under way
or done, and measures nothing twice. The job runs without the client, which sleeps meanwhile and
hears of what changes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from edgecnn.boards.connection import (
    BoardError,
    JobError,
    LostError,
    TakenOverError,
    ask,
    connected,
    execute,
    listen,
    unreadable_answer,
)
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob, digest_of_job, file_word, is_of
from edgecnn.boards.preparing import ReadyBoard, prepare
from edgecnn.boards.transfer import Upload, fetch, send, upload, upload_of, uploads_of_model
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.files import parse_json
from edgecnn.formats.check import digest_of
from edgecnn.progress import Progress, silent
from edgecnn.results import MAX_FILE_BYTES, Results
from edgecnn.results.repeat import Repeat
from edgecnn.text import printable, shortened

if TYPE_CHECKING:
    import asyncssh

PATIENCE_SECS = 180.0
"""How long a connection that broke off is tried again before the client leaves: a board that
reboots is back by then."""
AGAIN_SECS = 2.0
MOST_STARTS = 4
"""A job that stops in the middle so often does not get to its end there."""
MOST_STEPS = 10_000_000
"""Of progress: the time left to a larger number may be longer than a `timedelta` can be."""
STATES = ("absent", "queued", "running", "done", "sick", "stopped", "fetched")


class Lease(Protocol):
    """Who works on a job holds it, so that nobody else does."""

    async def check(self) -> None:
        """Raise TakenOverError when somebody else has it by now."""

    async def keep(self, results: Results, *, error: str = "") -> bool:
        """Store the results, of a job that failed with the error; whether they are stored, so that
        the board need not keep them.
        """


class NoLease:
    """Where there is no queue."""

    async def check(self) -> None:
        """Nobody else can have it."""

    async def keep(self, results: Results, *, error: str = "") -> bool:  # noqa: ARG002
        """The file alone has the results."""
        return False


async def measure(
    board: Board,
    job: BoardJob,
    out: Path,
    say: Callable[[str], None],
    *,
    force: bool = False,
    hold: Lease | None = None,
    gate: AbstractAsyncContextManager[Any] | None = None,
    progress: Progress = silent,
) -> Results:
    """Measure a job on a board, or take up what is there; results are written to `out`.

    Connections are made inside of `gate`, where many boards are reached at once.

    A connection that breaks off is made again; one that never was made is an error at once.
    Raises BoardError, of which a JobError is the job's own fault.
    """
    lost_at: float | None = None
    reached = False
    work = _Work(board, job, out, hold=hold or NoLease(), say=say, progress=progress, force=force)
    while True:
        try:
            async with AsyncExitStack() as stack:
                async with gate or nullcontext():
                    connection = await stack.enter_async_context(connected(board))
                reached = True
                return await work.through(connection, await prepare(connection, board))
        except LostError as error:
            now = time.monotonic()
            if lost_at is None or work.heard:
                lost_at, work.heard = now, False
            if not reached or now - lost_at > PATIENCE_SECS:
                raise
            say(f"{error.message}; trying again")
            await asyncio.sleep(AGAIN_SECS)


class _Work:
    """One job on one board, over as many connections as it takes."""

    def __init__(
        self,
        board: Board,
        job: BoardJob,
        out: Path,
        *,
        hold: Lease,
        say: Callable[[str], None],
        progress: Progress,
        force: bool,
    ) -> None:
        self._board = board
        self._job = job
        self._out = out
        self._say = say
        self._hold = hold
        self._progress = progress
        self._force = self._overwrite = force
        self._starts = 0
        self._last_state = ""
        self.heard = False
        """Whether the job was heard of since that was last looked at."""

    async def through(self, connection: asyncssh.SSHClientConnection, ready: ReadyBoard) -> Results:
        """From wherever the job stands to its results. Raises BoardError."""
        folder = ready.home / "jobs" / self._job.name(ready.code.name)
        status = await self._status(connection, ready, folder)
        if self._force and status["state"] in ("done", "stopped", "sick"):
            await execute(connection, self._board, ["rm", "-rf", str(folder)])
            status = {"state": "absent"}
        self._force = False
        while status["state"] != "done":
            if status["state"] == "fetched":
                await self._hold.check()
                raise TakenOverError(
                    f"{self._board.name}: another client has fetched this job's results",
                    hint="see edgecnn boards jobs",
                )
            if status["state"] not in ("queued", "running"):
                await self._hold.check()
                if self._starts == MOST_STARTS:
                    await self._failed(
                        connection,
                        ready,
                        folder,
                        status,
                        reason=f"the job was interrupted {MOST_STARTS} times",
                        hint="is it out of memory or disk, or does it restart? "
                        f"edgecnn boards check {self._board.name}",
                    )
                await self._start(connection, ready, folder, fresh=status["state"] == "absent")
            status = await self._follow(connection, ready, folder)
        if status["exit"] != 0:
            await self._broken_off(connection, ready, folder, status)
        await self._hold.check()
        results, saved = await self._fetch(connection, folder)
        if await self._hold.keep(results):
            await self._clear(connection, ready, folder)
        elif saved:  # the same command is a new measurement next time
            await execute(connection, self._board, ["rm", "-rf", str(folder)])
        return results

    async def _start(
        self,
        connection: asyncssh.SSHClientConnection,
        ready: ReadyBoard,
        folder: PurePosixPath,
        *,
        fresh: bool,
    ) -> None:
        """Let the job run there by itself: it outlives the connection."""
        self._starts += 1
        if self._starts > 1:
            await prepare(connection, self._board)  # says it where its disk is full by now
        if fresh:
            await self._send(connection, ready, folder)
        command = ready.words("-m", "edgecnn.boards.runner", "--start", str(folder))
        answer = await ask(connection, self._board, command)
        if problem := answer.get("problem"):
            said = shortened(str(problem), 120)
            raise BoardError(
                f"{self._board.name}: cannot write there: {said}",
                hint="is its disk full, or its home not writable?",
            )

    async def _send(
        self, connection: asyncssh.SSHClientConnection, ready: ReadyBoard, folder: PurePosixPath
    ) -> None:
        """The job, and the models and files that the board does not have yet."""
        models = {digest: uploads_of_model(path) for digest, path in self._job.models.items()}
        files = {digest: upload_of(path) for digest, path in self._job.files.items()}
        for digest, path in self._job.models.items():
            _refuse_changed(path, digest, digest_of(path)[0])
        for digest, each in files.items():
            _refuse_changed(each.path, digest, each.sha256)
        parcels = [*files.values(), *(each for group in models.values() for each in group)]
        python = ready.python
        await send(connection, self._board, python, ready.home, list(_unique(parcels)))
        paths = [str(ready.home / group[0].place) for group in models.values()]
        places = {file_word(digest): str(ready.home / each.place) for digest, each in files.items()}
        words = ["benchmark", *paths, *(_placed(word, places) for word in self._job.words)]
        document = json.dumps({"words": [*words, "--out", "results.json"]}).encode()
        await upload(connection, self._board, {str(folder / "job.json"): document})

    async def _status(
        self, connection: asyncssh.SSHClientConnection, ready: ReadyBoard, folder: PurePosixPath
    ) -> dict[str, Any]:
        command = ready.words("-m", "edgecnn.boards.runner", "--status", str(folder))
        return self._checked(await ask(connection, self._board, command))

    async def _follow(
        self, connection: asyncssh.SSHClientConnection, ready: ReadyBoard, folder: PurePosixPath
    ) -> dict[str, Any]:
        """Wait until nobody works on the job any more; how it stands then."""
        command = ready.words("-m", "edgecnn.boards.runner", "--follow", str(folder))
        last: dict[str, Any] = {}
        async with aclosing(listen(connection, self._board, command)) as answers:
            async for answer in answers:
                last = self._checked(answer)
                self.heard = True
                self._tell(last)
        if last.get("state") in (None, "queued", "running"):
            raise LostError(
                f"{self._board.name}: it stopped responding", hint="run the same command again"
            )
        if last["state"] == "sick":
            troubles = last.get("troubles")
            reasons = (
                "; ".join(map(str, troubles)) if isinstance(troubles, list) else "no reason given"
            )
            raise BoardError(
                f"{self._board.name}: not fit to measure: {shortened(reasons, 200)}",
                hint=f"edgecnn boards check {self._board.name}",
            )
        return last

    def _tell(self, status: Mapping[str, Any]) -> None:
        state = str(status["state"])
        if state != self._last_state:
            self._last_state = state
            shown = "unhealthy" if state == "sick" else state
            self._say(f"{self._board.name}: {shown}")
        step = status.get("progress")
        if isinstance(step, list) and len(step) == 4:
            stage, done, total, what = step
            if type(done) is int and type(total) is int and 0 <= done <= total <= MOST_STEPS:
                words = shortened(f"{stage} {what}", 80)
                self._progress(self._board.name, done, total, words)

    def _checked(self, status: Mapping[str, Any]) -> dict[str, Any]:
        state, code = status.get("state"), status.get("exit", 0)
        if state not in STATES or type(code) is not int:
            raise unreadable_answer(self._board)
        size = status.get("bytes")
        left = type(size) is int and size > 0
        return {**status, "exit": code, "log": str(status.get("log", "")), "results": left}

    async def _broken_off(
        self,
        connection: asyncssh.SSHClientConnection,
        ready: ReadyBoard,
        folder: PurePosixPath,
        status: Mapping[str, Any],
    ) -> NoReturn:
        """Raise JobError for a benchmark that ended with an error, in its own words; BoardError
        where the board is at fault: it is taken up from where it was then.
        """
        lines = [line for line in status["log"].splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        last = (errors or ["no reason given"])[-1].removeprefix("error: ")
        reason = shortened(last, 200)
        if "No space left" in reason or "disk is full" in reason:
            await execute(connection, self._board, ["rm", "-f", f"{folder}/state.json"])
            raise BoardError(f"{self._board.name}: {reason}", hint="free some space there")
        hint = f"edgecnn benchmark ended with {status['exit']} there"
        await self._failed(connection, ready, folder, status, reason=reason, hint=hint)

    async def _failed(
        self,
        connection: asyncssh.SSHClientConnection,
        ready: ReadyBoard,
        folder: PurePosixPath,
        status: Mapping[str, Any],
        *,
        reason: str,
        hint: str,
    ) -> NoReturn:
        """Raise JobError, once the rows that the job left are here: they say more than its end."""
        message = f"{self._board.name}: {reason}"
        if status["results"]:
            await self._hold.check()
            try:
                results, saved = await self._fetch(connection, folder)
            except JobError:  # they cannot be read: what made the job fail is said
                pass
            else:
                await self._hold.keep(results, error=message)
                if saved:
                    hint += f"; its rows are in {self._out}"
        if self._job.nonce:
            await self._clear(connection, ready, folder)
        else:
            await execute(connection, self._board, ["rm", "-f", f"{folder}/state.json"])
        raise JobError(message, hint=hint)

    async def _clear(
        self, connection: asyncssh.SSHClientConnection, ready: ReadyBoard, folder: PurePosixPath
    ) -> None:
        """Leave nothing of the job there but a mark."""
        command = ready.words("-m", "edgecnn.boards.runner", "--fetched", str(folder))
        await execute(connection, self._board, command)

    async def _fetch(
        self, connection: asyncssh.SSHClientConnection, folder: PurePosixPath
    ) -> tuple[Results, bool]:
        """The results, checked as any file from a stranger, and written to `out`; whether they
        were.

        What only this machine knows is put into them: the board's name, the job, the command that
        was typed here, where the models lie.
        """
        source = str(folder / "results.json")
        content = await fetch(connection, self._board, source, MAX_FILE_BYTES)
        try:
            original = Results.from_dict(parse_json(content.decode("utf-8", "replace"), "results"))
        except EdgeCNNError as error:
            raise JobError(
                f"{self._board.name}: its results cannot be read: "
                f"{printable(shortened(error.message, 160))}",
                hint="pass --force to measure again",
            ) from error
        job = self._job
        known_here = {"name": self._board.name, "job": digest_of_job(self._board, job)}
        machine = {**original.environment.machine, **known_here}
        results = replace(
            original,
            environment=replace(original.environment, machine=machine),
            command=job.command or original.command,
            repeat=Repeat(job.repeat, {digest: str(path) for digest, path in job.models.items()}),
        )
        saved = self._overwrite or not self._out.exists() or is_of(self._out, self._board, job)
        if saved:
            results.save(self._out)
        else:
            self._say(f"{self._board.name}: {self._out} holds something else and was left alone")
        return results, saved


def _refuse_changed(path: Path, digest: str, now: str) -> None:
    """Raise InputError for a file that is not the one that the job was made for."""
    if now != digest:
        raise InputError(
            f"{path} has changed since this job was made",
            hint="put the file back, or run the command again for the new one and remove this job: "
            "edgecnn boards cancel",
        )


def _placed(word: str, places: Mapping[str, str]) -> str:
    for token, place in places.items():
        word = word.replace(token, place)
    return word


def _unique(parcels: Sequence[Upload]) -> Sequence[Upload]:
    return list({each.place: each for each in parcels}.values())
