"""Prepare a board: inspect it, and install edgecnn and its dependencies, by hash.

What a board has is used: its Python, and the packages of it. What is missing is installed into an
environment of edgecnn's own, by the board itself where it reaches a package index, and else from
wheels that are sent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from edgecnn.boards import wheel, wheels
from edgecnn.boards.connection import ANSWER_SECS, BoardError, ask, execute, unreadable_answer
from edgecnn.boards.health_report import FEWEST_DISK_BYTES
from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.boards.transfer import send, upload, upload_of
from edgecnn.errors import EdgeCNNError
from edgecnn.records import FieldError, read_field
from edgecnn.text import shortened

if TYPE_CHECKING:
    import asyncssh

MOST_CLOCK_SECS = 300.0
INSTALL_SECS = 1_800.0
NEEDED = ("numpy", "click", "rich", "psutil", "jinja2")
OLDEST_PYTHON = (3, 11)
_FACTS = f"""
import json, os, platform, shutil, sys, time
home = os.path.expanduser("~/.local/share/edgecnn/board")
problem = ""
try:
    os.makedirs(home, mode=0o700, exist_ok=True)
except OSError as error:
    problem = str(error)
place = home
while not os.path.isdir(place):
    place = os.path.dirname(place)
missing = []
for name in {list(NEEDED)!r}:
    try:
        __import__(name)
    except Exception:
        missing.append(name)
libc, version = platform.libc_ver()
print()
print({ANSWER!r} + json.dumps({{
    "home": home, "free": shutil.disk_usage(place).free, "time": time.time(), "problem": problem,
    "python": list(sys.version_info[:3]), "machine": platform.machine(), "missing": missing,
    "executable": sys.executable, "libc": [libc, version], "markers": {{
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name, "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(), "platform_system": platform.system(),
        "platform_version": platform.version(), "sys_platform": sys.platform,
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2])}}}}))
"""


@dataclass(frozen=True)
class ReadyBoard:
    """A board that can take jobs: where its home is, and the words that start its Python."""

    board: Board
    home: PurePosixPath
    python: str
    code: PurePosixPath

    def words(self, *arguments: str) -> list[str]:
        """A command that runs edgecnn's code there."""
        return ["env", f"PYTHONPATH={self.code}", f"EDGECNN_HOME={self.home}/data",
                "PYTHONDONTWRITEBYTECODE=1", self.python, *arguments]  # fmt: skip


@dataclass(frozen=True)
class BoardFacts:
    """What a board says of itself; checked."""

    home: str
    executable: str
    missing: tuple[str, ...]
    python: tuple[int, int, int]
    libc: tuple[str, str] = ("", "")
    machine: str = ""
    markers: Mapping[str, str] | None = None


async def prepare(connection: asyncssh.SSHClientConnection, board: Board) -> ReadyBoard:
    """Look at a board and bring edgecnn there unless it has it. Raises BoardError."""
    facts = checked(board, await ask(connection, board, [board.python, "-"], script=_FACTS))
    home = PurePosixPath(facts.home)
    name, content, digest = _own_wheel()
    code = home / f"code-{digest}"
    if (await _touched(connection, board, f"{code}/complete"))[0] != 0:
        await upload(connection, board, {f"{home}/{digest}/{name}": content})
        await _made(
            connection, board, code, lock=home / "code.lock", unpacked=[f"{home}/{digest}/{name}"]
        )
    python = facts.executable
    if facts.missing or board.extras:
        python = await _environment(connection, board, facts, f"{home}/{digest}/{name}")
    return ReadyBoard(board, home, python, code)


@cache
def _own_wheel() -> tuple[str, bytes, str]:
    """(file name, content, digest) of edgecnn as a wheel, made once."""
    name, content = wheel.build()
    return name, content, wheel.digest(content)


async def _touched(
    connection: asyncssh.SSHClientConnection, board: Board, mark: str
) -> tuple[int, str, str]:
    """Exit code 0 where the file is there; its folder is marked as used."""
    script = 'test -f "$1" && touch -c "${1%/*}"'
    return await execute(connection, board, ["sh", "-c", script, "sh", mark])


_MAKE = f"""
import fcntl, json, os, shutil, subprocess, zipfile
lock, folder, commands, names, target = json.loads({{arguments!r}})
held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(held, fcntl.LOCK_EX)

def unpack(target):
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    for name in names:
        with zipfile.ZipFile(name) as archive:
            archive.extractall(part)
    for data in [each for each in os.listdir(part) if each.endswith(".data")]:
        for kind in ("purelib", "platlib"):
            source = os.path.join(part, data, kind)
            if os.path.isdir(source):
                shutil.copytree(source, part, dirs_exist_ok=True)
        shutil.rmtree(os.path.join(part, data))
    try:
        os.rename(part, target)
    except OSError:  # something lies there already
        shutil.copytree(part, target, dirs_exist_ok=True)
        shutil.rmtree(part)

answer = {{{{"done": True, "code": 0}}}}
if not os.path.isfile(folder + "/complete"):
    shutil.rmtree(folder, ignore_errors=True)
    for command in commands:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=[held])
        said = (done.stderr or done.stdout).decode(errors="replace")
        answer = {{{{"done": True, "code": done.returncode, "said": said[-8000:]}}}}
        if done.returncode:
            break
    if not answer["code"]:
        if names:
            unpack(target)
        os.sync()
        open(folder + "/complete", "w").close()
print()
print({ANSWER!r} + json.dumps(answer))
"""
"""Makes a folder by commands, by unpacking wheels, or both, unless it is complete. It is done under
a lock that the commands hold, too: a client that is cut off leaves them running, and another waits.
"""


async def _made(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    folder: PurePosixPath,
    *,
    lock: PurePosixPath,
    commands: Sequence[Sequence[str]] = (),
    unpacked: Sequence[str] = (),
    target: str = "",
    timeout: float = ANSWER_SECS,
) -> str:
    """Make a folder there by commands and of wheels that are `unpacked` at `target`, unless another
    client has; why it could not be made, empty where it is there.
    """
    arguments = [str(lock), str(folder), commands, unpacked, target or str(folder)]
    script = _MAKE.format(arguments=json.dumps(arguments))
    answer = await ask(connection, board, [board.python, "-"], script=script, timeout=timeout)
    return "" if answer.get("code") == 0 else _reason(str(answer.get("said", "")))


async def _environment(
    connection: asyncssh.SSHClientConnection, board: Board, facts: BoardFacts, source: str
) -> str:
    """An environment of its own with what is missing; its Python.

    It is named by what edgecnn needs, not by its code: another version of edgecnn with the same
    needs finds it.
    """
    extras = tuple(sorted(board.extras))
    named = hashlib.sha256(f"{wheel.needs()} {extras} {facts.python}".encode()).hexdigest()[:12]
    home = PurePosixPath(facts.home)
    folder = home / f"env-{named}"
    python = f"{folder}/bin/python"
    if (await _touched(connection, board, f"{folder}/complete"))[0] == 0:
        return python
    wanted = f"{source}[{','.join(extras)}]" if extras else source
    said = ""
    if not board.offline:
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        commands = [
            [board.python, "-m", "venv", str(folder)],
            [*pip, "install", "--quiet", "--timeout", "10", "--retries", "1", wanted],
        ]
        said = await _made(
            connection,
            board,
            folder,
            lock=home / "prepare.lock",
            commands=commands,
            timeout=2 * INSTALL_SECS,
        )
    if board.offline or said:
        await _installed_from_here(connection, board, facts, folder, said)
    return python


async def _installed_from_here(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    facts: BoardFacts,
    folder: PurePosixPath,
    said: str,
) -> None:
    """Send wheels for that machine and unpack them there: neither network nor pip is needed.

    `said` is why the board itself could not install. Raises BoardError.
    """
    import asyncio

    try:
        files = await asyncio.to_thread(
            wheels.collect, board.extras, facts.markers or {}, facts.libc
        )
    except EdgeCNNError as error:
        first = f"{shortened(said, 120)}; and from here: " if said else ""
        extras = f"[{','.join(board.extras)}]" if board.extras else ""
        raise BoardError(
            f"{board.name}: cannot install edgecnn{extras} there: "
            f"{first}{shortened(error.message, 160)}",
            hint="install the packages there and name that Python with --python",
        ) from None
    home = PurePosixPath(facts.home)
    parcels = [upload_of(path, "wheels") for path in files]
    await send(connection, board, board.python, home, parcels)
    site = f"{folder}/lib/python{facts.python[0]}.{facts.python[1]}/site-packages"
    trouble = await _made(
        connection,
        board,
        folder,
        lock=home / "prepare.lock",
        commands=[[board.python, "-m", "venv", "--without-pip", str(folder)]],
        unpacked=[str(home / each.place) for each in parcels],
        target=site,
        timeout=2 * INSTALL_SECS,
    )
    if trouble:
        raise BoardError(
            f"{board.name}: cannot make an environment there: {trouble}",
            hint="is its Python whole (the package python3-venv), and its disk not full?",
        )


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return shortened(errors[0] if errors else "no reason given", 160)


def checked(board: Board, answer: Mapping[str, Any]) -> BoardFacts:
    """The facts of a board, of the right types, or why it cannot be used."""
    try:
        free, clock = read_field(float, answer["free"], ""), read_field(float, answer["time"], "")
        version: Sequence[int] = read_field(tuple[int, ...], answer["python"], "")
        problem = str(answer.get("problem") or "")
        facts = BoardFacts(
            home=read_field(str, answer["home"], ""),
            executable=read_field(str, answer["executable"], ""),
            missing=read_field(tuple[str, ...], answer["missing"], ""),
            python=(version[0], version[1], version[2] if len(version) > 2 else 0),
            libc=read_field(tuple[str, str], answer.get("libc", ("", "")), ""),
            machine=str(answer.get("machine", ""))[:40],
            markers=read_field(Mapping[str, str], answer.get("markers", {}), ""),
        )
    except (KeyError, IndexError, FieldError) as error:
        raise unreadable_answer(board) from error
    if not facts.home.startswith("/") or not facts.executable.startswith("/"):
        raise unreadable_answer(board)
    if facts.python[:2] < OLDEST_PYTHON:
        python_version = ".".join(map(str, facts.python[:2]))
        raise BoardError(
            f"{board.name}: has Python {python_version}, 3.11 or newer is needed",
            hint="install one there and pass its path: edgecnn boards add … --python PATH",
        )
    if free < FEWEST_DISK_BYTES:
        raise BoardError(
            f"{board.name}: {free / 1e6:.0f} MB are free in "
            f"{shortened(facts.home, 80)}, {FEWEST_DISK_BYTES >> 20} MiB are needed",
            hint="free some space there",
        )
    if problem:
        raise BoardError(
            f"{board.name}: cannot write there: {shortened(problem, 120)}",
            hint="is its home writable?",
        )
    off = clock - time.time()
    if abs(off) > MOST_CLOCK_SECS:
        raise BoardError(
            f"{board.name}: its clock is {_duration(abs(off))} {'ahead' if off > 0 else 'behind'}",
            hint="set its clock: dates of results would be wrong",
        )
    return facts


def _duration(secs: float) -> str:
    return f"{secs / 60:.0f} minutes" if secs < 7_200 else f"{secs / 3_600:.0f} hours"
