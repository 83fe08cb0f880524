"""Bring edgecnn, models and a job to a board, wait, and fetch the results.

A job's folder there is named by what it is (edgecnn, models, words): a repeated command
finds its job, whether it is under way or done, and measures nothing twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from edgecnn.boards import wheel
from edgecnn.boards.connection import BoardError, LostError, ask, connected, execute
from edgecnn.boards.health_report import troubles as health_troubles
from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.errors import EdgeCNNError
from edgecnn.results import MAX_FILE_BYTES, Results
from edgecnn.text import shortened

if TYPE_CHECKING:
    import asyncssh

FEWEST_BYTES = 200 << 20
MOST_CLOCK_SECS = 300.0
INSTALL_SECS = 1_800.0
POLL_SECS = 1.0
PATIENCE_SECS = 120.0
"""How long a connection that broke off is tried again before the client leaves."""
_FACTS = f"""
import json, os, platform, shutil, sys, time
home = os.path.expanduser("~/.local/share/edgecnn/board")
os.makedirs(home, mode=0o700, exist_ok=True)
missing = []
for name in {["numpy", "click", "rich", "psutil", "jinja2"]!r}:
    try:
        __import__(name)
    except Exception:
        missing.append(name)
print()
print({ANSWER!r} + json.dumps({{
    "home": home, "free": shutil.disk_usage(home).free, "time": time.time(),
    "python": list(sys.version_info[:3]), "machine": platform.machine(), "missing": missing,
    "executable": sys.executable}}))
"""


@dataclass(frozen=True)
class Ready:
    """A board that can take jobs: where its home is, and the words that start its Python."""

    board: Board
    home: PurePosixPath
    python: str
    code: PurePosixPath

    def words(self, *arguments: str) -> list[str]:
        """A command that runs edgecnn's code there."""
        return ["env", f"PYTHONPATH={self.code}", f"EDGECNN_HOME={self.home}/data",
                "PYTHONDONTWRITEBYTECODE=1", self.python, *arguments]  # fmt: skip


async def prepare(connection: asyncssh.SSHClientConnection, board: Board) -> Ready:
    """Look at a board and bring edgecnn there unless it has it. Raises BoardError."""
    facts = _checked(board, await ask(connection, board, [board.python, "-"], script=_FACTS))
    home = PurePosixPath(facts["home"])
    name, content = wheel.build()
    digest = wheel.digest(content)
    code = home / f"code-{digest}"
    present = await execute(connection, board, ["test", "-f", f"{code}/complete"])
    if present[0] != 0:
        await _upload(connection, board, {f"{home}/{digest}/{name}": content})
        script = _UNPACK.format(source=f"{home}/{digest}/{name}", target=str(code))
        await ask(connection, board, [board.python, "-"], script=script)
    python = facts["executable"]
    if facts["missing"] or board.extras:
        python = await _environment(connection, board, home, f"{home}/{digest}/{name}", digest)
    return Ready(board, home, python, code)


_UNPACK = f"""
import json, os, shutil, zipfile
source, target = {{source!r}}, {{target!r}}
shutil.rmtree(target + ".part", ignore_errors=True)
shutil.rmtree(target, ignore_errors=True)
zipfile.ZipFile(source).extractall(target + ".part")
open(target + ".part/complete", "w").close()
os.rename(target + ".part", target)
print({ANSWER!r} + json.dumps({{{{"done": True}}}}))
"""


async def _environment(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    home: PurePosixPath,
    source: str,
    digest: str,
) -> str:
    """An environment of its own with what is missing; its Python."""
    extras = ",".join(sorted(board.extras))
    named = hashlib.sha256(f"{digest} {extras}".encode()).hexdigest()[:12]
    folder = f"{home}/env-{named}"
    python = f"{folder}/bin/python"
    if (await execute(connection, board, ["test", "-f", f"{folder}/complete"]))[0] == 0:
        return python
    wanted = f"{source}[{extras}]" if extras else source
    for command in (
        [board.python, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted],
        ["touch", f"{folder}/complete"],
    ):
        code, out, err = await execute(connection, board, command, timeout=INSTALL_SECS)
        if code != 0:
            lines = [line for line in (err or out).splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
            raise BoardError(
                f"{board.name}: cannot install edgecnn{f'[{extras}]' if extras else ''} there: "
                f"{shortened(errors[0] if errors else 'no reason given', 160)}",
                hint="does it reach a package index? Else install the packages there and name "
                "that Python with --python",
            )
    return python


def _checked(board: Board, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of a board, of the right types, or why it cannot be used."""
    try:
        version = tuple(int(part) for part in facts["python"])
        free, clock = float(facts["free"]), float(facts["time"])
        home, executable = str(facts["home"]), str(facts["executable"])
        missing = [str(name) for name in facts["missing"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BoardError(f"{board.name}: gave an answer that is none", hint="") from error
    if version < (3, 11):
        shown = ".".join(map(str, version[:2]))
        raise BoardError(
            f"{board.name}: has Python {shown}, 3.11 or newer is needed",
            hint="install one there and pass its path: edgecnn boards add … --python PATH",
        )
    if free < FEWEST_BYTES:
        raise BoardError(
            f"{board.name}: {free / 1e6:.0f} MB are free in {shortened(home, 80)}, "
            f"{FEWEST_BYTES >> 20} MiB are needed",
            hint="free some space there",
        )
    off = clock - time.time()
    if abs(off) > MOST_CLOCK_SECS:
        raise BoardError(
            f"{board.name}: its clock is {abs(off) / 60:.0f} minutes "
            f"{'ahead' if off > 0 else 'behind'}",
            hint="set its clock: dates of results would be wrong",
        )
    return {"home": home, "executable": executable, "missing": missing}


async def _upload(
    connection: asyncssh.SSHClientConnection, board: Board, files: Mapping[str, bytes | Path]
) -> None:
    """Write files there: under another name first, so that none is ever half there."""
    import asyncssh

    try:
        async with connection.start_sftp_client() as sftp:
            for target, content in files.items():
                await sftp.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
                if isinstance(content, Path):
                    await sftp.put(str(content), f"{target}.part")
                else:
                    async with sftp.open(f"{target}.part", "wb") as file:
                        await file.write(content)
                await sftp.posix_rename(f"{target}.part", target)
    except asyncssh.SFTPError as error:
        raise BoardError(
            f"{board.name}: cannot write there: {shortened(error.reason or 'no reason', 120)}",
            hint="is its disk full, or its home not writable?",
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise LostError(
            f"{board.name}: the connection broke off: {shortened(str(error), 120)}",
            hint="run the same command again",
        ) from None


@dataclass(frozen=True)
class Job:
    """Models to measure and the words of `edgecnn benchmark` beside them."""

    models: Mapping[str, Path]
    """sha256 → file."""
    words: tuple[str, ...]

    def name(self, code: str) -> str:
        """What the job is known by on a board."""
        identity = json.dumps([code, sorted(self.models), self.words])
        return hashlib.sha256(identity.encode()).hexdigest()[:20]


async def measure(
    board: Board, job: Job, out: Path, say: Callable[[str], None], *, force: bool = False
) -> Results:
    """Measure a job on a board, or take up what is there; results are written to `out`.

    A connection that breaks off is made again; one that never was made is an error at once.
    Raises BoardError.
    """
    lost_at: float | None = None
    reached = False
    while True:
        try:
            async with connected(board) as connection:
                lost_at, reached = None, True
                ready = await prepare(connection, board)
                return await _through(connection, ready, job, out, say, force=force)
        except LostError as error:
            now = time.monotonic()
            lost_at = lost_at if lost_at is not None else now
            if not reached or now - lost_at > PATIENCE_SECS:
                raise
            say(f"{error.message}; trying again")
            force = False
            await asyncio.sleep(2.0)


async def _through(
    connection: asyncssh.SSHClientConnection,
    ready: Ready,
    job: Job,
    out: Path,
    say: Callable[[str], None],
    *,
    force: bool,
) -> Results:
    board = ready.board
    folder = ready.home / "jobs" / job.name(ready.code.name)
    status = await _status(connection, ready, folder)
    if force and status["state"] in ("done", "stopped"):
        await execute(connection, board, ["rm", "-rf", str(folder)])
        status = {"state": "absent"}
    if status["state"] == "absent":
        await _send(connection, ready, job, folder)
    while status["state"] != "done":
        if status["state"] in ("absent", "stopped"):
            await _require_health(connection, ready)
            await _start(connection, ready, folder)
        await asyncio.sleep(POLL_SECS)
        before, status = status, await _status(connection, ready, folder)
        if status["state"] != before["state"]:
            say(f"{board.name}: {status['state']}")
    if status["exit"] != 0:
        lines = [line for line in status["log"].splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        await execute(connection, board, ["rm", "-f", f"{folder}/state.json"])
        raise BoardError(
            f"{board.name}: {shortened((errors or ['no reason given'])[-1], 200)}",
            hint=f"edgecnn benchmark ended with {status['exit']} there",
        )
    results = await _fetch(connection, board, folder, out)
    # Measured and here: the same command is a new measurement next time.
    await execute(connection, board, ["rm", "-rf", str(folder)])
    return results


async def _require_health(connection: asyncssh.SSHClientConnection, ready: Ready) -> None:
    """Raise BoardError for a board that is throttled or out of memory: its numbers would lie."""
    command = ready.words("-m", "edgecnn.benchmarking.health", "--brief")
    found = await ask(connection, ready.board, command)
    try:
        troubles = list(health_troubles(found))
    except (KeyError, TypeError, ValueError) as error:
        raise BoardError(f"{ready.board.name}: gave an answer that is none", hint="") from error
    if troubles:
        raise BoardError(
            f"{ready.board.name}: not fit to measure: {'; '.join(troubles)}",
            hint=f"edgecnn boards check {ready.board.name}",
        )


async def _send(
    connection: asyncssh.SSHClientConnection, ready: Ready, job: Job, folder: PurePosixPath
) -> None:
    """The job, and models that the board does not have yet."""
    paths, files = [], {}
    for digest, path in job.models.items():
        target = ready.home / "models" / digest / path.name
        paths.append(str(target))
        present = await execute(connection, ready.board, ["test", "-f", str(target)])
        if present[0] != 0:
            files[str(target)] = path
    words = ["benchmark", *paths, *job.words, "--out", "results.json"]
    await _upload(connection, ready.board, files)
    document = json.dumps({"words": words}).encode()
    await _upload(connection, ready.board, {str(folder / "job.json"): document})


async def _start(
    connection: asyncssh.SSHClientConnection, ready: Ready, folder: PurePosixPath
) -> None:
    """Let the job run there by itself: it outlives the connection."""
    runner = ready.words("-m", "edgecnn.boards.runner", str(folder))
    script = 'setsid nohup "$@" >/dev/null 2>&1 </dev/null &'
    await execute(connection, ready.board, ["sh", "-c", script, "sh", *runner])
    await asyncio.sleep(0.5)


async def _status(
    connection: asyncssh.SSHClientConnection, ready: Ready, folder: PurePosixPath
) -> dict[str, Any]:
    command = ready.words("-m", "edgecnn.boards.runner", "--status", str(folder))
    found = await ask(connection, ready.board, command)
    state, exit_code = found.get("state"), found.get("exit", 0)
    states = ("absent", "queued", "running", "done", "stopped")
    if state not in states or not isinstance(exit_code, int):
        raise BoardError(f"{ready.board.name}: gave an answer that is none", hint="")
    return {"state": state, "exit": exit_code, "log": str(found.get("log", ""))}


async def _fetch(
    connection: asyncssh.SSHClientConnection, board: Board, folder: PurePosixPath, out: Path
) -> Results:
    """The results, checked as any file from a stranger, and written to `out`."""
    import asyncssh

    from edgecnn.files import atomic_path

    source = str(folder / "results.json")
    try:
        async with connection.start_sftp_client() as sftp:
            size = (await sftp.stat(source)).size or 0
            if size > MAX_FILE_BYTES:
                raise BoardError(f"{board.name}: its results are larger than is read", hint="")
            async with sftp.open(source, "rb") as file:
                content: Any = await file.read(size)
    except asyncssh.SFTPError as error:
        raise BoardError(
            f"{board.name}: left no results: {shortened(error.reason or '', 120)}",
            hint="pass --force to measure again",
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise LostError(f"{board.name}: the connection broke off: {error}", hint="") from None
    with atomic_path(out) as temporary:
        temporary.write_bytes(content)
        try:
            return Results.load(temporary)
        except EdgeCNNError as error:
            raise BoardError(
                f"{board.name}: its results cannot be read: {shortened(error.message, 160)}",
                hint="pass --force to measure again",
            ) from error
