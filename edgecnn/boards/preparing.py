"""First contact: look at a board, and bring edgecnn and what it needs there, by hash.

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
from edgecnn.boards.connection import BoardError, ask, execute, nonsense
from edgecnn.boards.health_report import FEWEST_DISK_BYTES
from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.boards.transfer import parcel, send, upload
from edgecnn.errors import EdgeCNNError
from edgecnn.records import FieldError, read_field
from edgecnn.text import printable, shortened

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


@dataclass(frozen=True)
class Facts:
    """What a board says of itself; checked."""

    home: str
    executable: str
    missing: tuple[str, ...]
    python: tuple[int, int, int]
    libc: tuple[str, str] = ("", "")
    machine: str = ""
    markers: Mapping[str, str] | None = None


async def prepare(connection: asyncssh.SSHClientConnection, board: Board) -> Ready:
    """Look at a board and bring edgecnn there unless it has it. Raises BoardError."""
    facts = checked(board, await ask(connection, board, [board.python, "-"], script=_FACTS))
    home = PurePosixPath(facts.home)
    name, content, digest = _own_wheel()
    code = home / f"code-{digest}"
    if (await _touched(connection, board, f"{code}/complete"))[0] != 0:
        await upload(connection, board, {f"{home}/{digest}/{name}": content})
        script = _UNPACK.format(
            wheels=json.dumps([f"{home}/{digest}/{name}"]), target=str(code), own=True
        )
        await ask(connection, board, [board.python, "-"], script=script)
    python = facts.executable
    if facts.missing or board.extras:
        python = await _environment(connection, board, facts, f"{home}/{digest}/{name}")
    return Ready(board, home, python, code)


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


_UNPACK = f"""
import json, os, shutil, zipfile
names, target, own = json.loads({{wheels!r}}), {{target!r}}, {{own!r}}
part = target + ".part"
shutil.rmtree(part, ignore_errors=True)
if own:
    shutil.rmtree(target, ignore_errors=True)
for name in names:
    with zipfile.ZipFile(name) as archive:
        archive.extractall(part)
for data in [each for each in os.listdir(part) if each.endswith(".data")]:
    for kind in ("purelib", "platlib"):
        source = os.path.join(part, data, kind)
        if os.path.isdir(source):
            shutil.copytree(source, part, dirs_exist_ok=True)
    shutil.rmtree(os.path.join(part, data))
if own:
    open(part + "/complete", "w").close()
    os.sync()
    os.rename(part, target)
else:
    shutil.copytree(part, target, dirs_exist_ok=True)
    shutil.rmtree(part)
print()
print({ANSWER!r} + json.dumps({{{{"done": True}}}}))
"""


async def _environment(
    connection: asyncssh.SSHClientConnection, board: Board, facts: Facts, source: str
) -> str:
    """An environment of its own with what is missing; its Python.

    It is named by what edgecnn needs, not by its code: another version of edgecnn with the same
    needs finds it.
    """
    extras = tuple(sorted(board.extras))
    named = hashlib.sha256(f"{wheel.needs()} {extras} {facts.python}".encode()).hexdigest()[:12]
    folder = f"{facts.home}/env-{named}"
    python = f"{folder}/bin/python"
    if (await _touched(connection, board, f"{folder}/complete"))[0] == 0:
        return python
    wanted = f"{source}[{','.join(extras)}]" if extras else source
    said = ""
    if not board.offline:
        said = await _installed_there(connection, board, folder, wanted)
    if board.offline or said:
        await _installed_from_here(connection, board, facts, folder, said)
    mark = ["sh", "-c", 'sync; touch "$1"', "sh", f"{folder}/complete"]
    await execute(connection, board, mark)
    return python


async def _installed_there(
    connection: asyncssh.SSHClientConnection, board: Board, folder: str, wanted: str
) -> str:
    """Let the board install from its package index; why it could not, empty when it did."""
    pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    for command in (
        [board.python, "-m", "venv", "--clear", folder],
        [*pip, "install", "--quiet", "--timeout", "10", "--retries", "1", wanted],
    ):
        code, out, err = await execute(connection, board, command, timeout=INSTALL_SECS)
        if code != 0:
            return _reason(err or out)
    return ""


async def _installed_from_here(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    facts: Facts,
    folder: str,
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
    parcels = [parcel(path, "wheels") for path in files]
    await send(connection, board, board.python, home, parcels)
    code, out, err = await execute(
        connection, board, [board.python, "-m", "venv", "--clear", "--without-pip", folder],
        timeout=INSTALL_SECS,
    )  # fmt: skip
    if code != 0:
        raise BoardError(
            f"{board.name}: cannot make an environment there: {_reason(err or out)}",
            hint="is its Python whole (the package python3-venv), and its disk not full?",
        )
    site = f"{folder}/lib/python{facts.python[0]}.{facts.python[1]}/site-packages"
    names = json.dumps([str(home / each.place) for each in parcels])
    script = _UNPACK.format(wheels=names, target=site, own=False)
    await ask(connection, board, [board.python, "-"], script=script, timeout=INSTALL_SECS)


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    line = shortened(errors[0] if errors else "no reason given", 160)
    return printable(line)


def checked(board: Board, answer: Mapping[str, Any]) -> Facts:
    """The facts of a board, of the right types, or why it cannot be used."""
    try:
        free, clock = read_field(float, answer["free"], ""), read_field(float, answer["time"], "")
        version: Sequence[int] = read_field(tuple[int, ...], answer["python"], "")
        problem = str(answer.get("problem") or "")
        facts = Facts(
            home=read_field(str, answer["home"], ""),
            executable=read_field(str, answer["executable"], ""),
            missing=read_field(tuple[str, ...], answer["missing"], ""),
            python=(version[0], version[1], version[2] if len(version) > 2 else 0),
            libc=read_field(tuple[str, str], answer.get("libc", ("", "")), ""),
            machine=str(answer.get("machine", ""))[:40],
            markers=read_field(Mapping[str, str], answer.get("markers", {}), ""),
        )
    except (KeyError, IndexError, FieldError) as error:
        raise nonsense(board) from error
    if not facts.home.startswith("/") or not facts.executable.startswith("/"):
        raise nonsense(board)
    if facts.python[:2] < OLDEST_PYTHON:
        python_version = ".".join(map(str, facts.python[:2]))
        raise BoardError(
            f"{board.name}: has Python {python_version}, 3.11 or newer is needed",
            hint="install one there and pass its path: edgecnn boards add … --python PATH",
        )
    if free < FEWEST_DISK_BYTES:
        raise BoardError(
            f"{board.name}: {free / 1e6:.0f} MB are free in {shortened(facts.home, 80)}, "
            f"{FEWEST_DISK_BYTES >> 20} MiB are needed",
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
