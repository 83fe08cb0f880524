"""Transfer files to and from a board: once per digest, verified, atomic."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from edgecnn.boards.connection import BoardError, JobError, LostError, ask, unreadable_answer
from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.errors import InputError
from edgecnn.formats.check import digest_of, model_files
from edgecnn.manifest import sidecar_path
from edgecnn.text import printable, shortened

if TYPE_CHECKING:
    import asyncssh

CHECK_SECS = 600.0
"""A slow board hashes a large file for a while."""
STALL_SECS = 60.0
"""A transfer of which nothing moves for so long is given up."""
PIECE_BYTES = 256 << 10
OLD_SECS = 86_400.0
"""A half of a file that nobody has written to for so long is left of a client that is gone."""
_WANTED = f"""
import json, os, sys
wanted = json.loads({{wanted!r}})
missing = []
for place, size in wanted.items():
    try:
        there = os.stat(place).st_size == size
        os.utime(os.path.dirname(place))
    except OSError:
        there = False
    if not there:
        missing.append(place)
print()
print({ANSWER!r} + json.dumps({{{{"missing": missing}}}}))
"""
_ARRIVED = f"""
import hashlib, json, os, time
arrived, part = json.loads({{arrived!r}}), {{part!r}}
wrong = []
old = time.time() - {OLD_SECS}
for place, digest in arrived.items():
    found = hashlib.sha256()
    with open(place + part, "rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
        os.fsync(file.fileno())
    if found.hexdigest() == digest:
        os.replace(place + part, place)
    else:
        os.remove(place + part)
        wrong.append(place)
    with os.scandir(os.path.dirname(place)) as entries:
        for entry in entries:
            try:
                if entry.name.endswith(".part") and entry.stat().st_mtime < old:
                    os.remove(entry.path)
            except OSError:  # whoever wrote it has it in its place by now
                continue
print()
print({ANSWER!r} + json.dumps({{{{"wrong": wrong}}}}))
"""


@dataclass(frozen=True)
class Upload:
    """A file that belongs at a place below a board's home."""

    place: str
    path: Path
    sha256: str
    size: int


def upload_of(path: Path, folder: str = "files", name: str = "") -> Upload:
    """A file under its own digest. Raises InputError when it cannot be read, or named there."""
    place = name or path.name
    try:
        place.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the name of {printable(str(path))} is not UTF-8", hint="rename it to send it"
        ) from error
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return Upload(f"{folder}/{digest}/{place}", path, digest, size)


def uploads_of_model(path: Path) -> list[Upload]:
    """All files of a model, the one that names the others first, and its manifest next to it.

    They lie in one folder there, which is named by all of them. Raises as `model_files`.
    """
    digest, _ = digest_of(path)
    files = model_files(path)
    home = files[0].absolute().parent.resolve()
    named = {path.name: files[0]}
    named |= {file.resolve().relative_to(home).as_posix(): file for file in files[1:]}
    sidecar = sidecar_path(path)
    if sidecar.is_file():
        own = upload_of(sidecar)
        digest = hashlib.sha256(f"{digest} {own.sha256}".encode()).hexdigest()
        named[sidecar.name] = sidecar
    made = {name: upload_of(file, name=name) for name, file in named.items()}
    return [
        Upload(f"models/{digest}/{name}", each.path, each.sha256, each.size)
        for name, each in made.items()
    ]


async def send(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    python: str,
    home: PurePosixPath,
    parcels: Sequence[Upload],
) -> None:
    """Send what is not there yet. Raises BoardError.

    Several clients may send the same at once: each writes halves of its own, and one of them stays.
    """
    by_place = {str(home / each.place): each for each in parcels}
    if not by_place:
        return
    wanted = json.dumps({place: each.size for place, each in by_place.items()})
    script = _WANTED.format(wanted=wanted)
    answer = await ask(connection, board, [python, "-"], script=script)
    said = answer.get("missing")
    if not isinstance(said, list):
        raise unreadable_answer(board)
    missing = [place for place in by_place if place in said]
    if not missing:
        return
    part = _part()
    await upload(connection, board, {place + part: by_place[place].path for place in missing})
    arrived = json.dumps({place: by_place[place].sha256 for place in missing})
    script = _ARRIVED.format(arrived=arrived, part=part)
    answer = await ask(connection, board, [python, "-"], script=script, timeout=CHECK_SECS)
    wrong = answer.get("wrong")
    if wrong != []:
        raise BoardError(
            f"{board.name}: files arrived damaged there, or changed on the way",
            hint="is its disk full or failing? Then run the same command again",
        )


async def upload(
    connection: asyncssh.SSHClientConnection, board: Board, files: Mapping[str, bytes | Path]
) -> None:
    """Write files there, whatever was there before. Raises BoardError."""
    import asyncssh

    try:
        async with _sftp(connection, board) as (sftp, moved):
            for target, content in files.items():
                moved()
                await sftp.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
                if isinstance(content, Path):
                    await sftp.put(str(content), target, progress_handler=moved)
                    continue
                part = target + _part()
                async with sftp.open(part, "wb") as file:
                    for start in range(0, len(content), PIECE_BYTES):
                        await file.write(content[start : start + PIECE_BYTES])
                        moved()
                await sftp.posix_rename(part, target)
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise _lost(board, error) from None
    except asyncssh.SFTPError as error:
        raise _cannot_write(board, error.reason) from None
    except (OSError, asyncssh.Error) as error:
        raise _lost(board, error) from None


async def fetch(
    connection: asyncssh.SSHClientConnection, board: Board, source: str, limit: int
) -> bytes:
    """The content of a file there, at most `limit` bytes.

    Raises JobError for one that is not there or larger, LostError.
    """
    import asyncssh

    content = bytearray()
    try:
        async with _sftp(connection, board) as (sftp, moved), sftp.open(source, "rb") as file:
            while piece := cast(bytes, await file.read(PIECE_BYTES)):
                content += piece
                moved()
                if len(content) > limit:
                    raise JobError(
                        f"{board.name}: its results are larger than {limit >> 20} MiB",
                        hint="measure fewer rows in one job",
                    )
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise _lost(board, error) from None
    except asyncssh.SFTPError as error:
        raise JobError(
            f"{board.name}: left no results: {_said(error.reason)}",
            hint="pass --force to measure again",
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise _lost(board, error) from None
    return bytes(content)


@asynccontextmanager
async def _sftp(
    connection: asyncssh.SSHClientConnection, board: Board
) -> AsyncIterator[tuple[asyncssh.SFTPClient, Callable[..., None]]]:
    """(a client, what is called whenever something has moved).

    Where nothing has for STALL_SECS the connection is cut, which ends whatever waits on it: its
    keepalive does not see a file server that hangs. Raises LostError then.
    """
    stalled = False

    def cut() -> None:
        nonlocal stalled
        stalled = True
        connection.abort()

    def watch() -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(STALL_SECS, cut)

    timer = watch()

    def moved(*_: object) -> None:
        nonlocal timer
        timer.cancel()
        timer = watch()

    try:
        async with connection.start_sftp_client() as sftp:
            yield sftp, moved
    except Exception:
        if not stalled:
            raise
        raise LostError(
            f"{board.name}: nothing of a file has moved for {STALL_SECS:.0f} s",
            hint="is it overloaded, or cut off?",
        ) from None
    finally:
        timer.cancel()


def _part() -> str:
    """The ending of a file that is not whole yet; no two clients have the same."""
    return f".{secrets.token_hex(6)}.part"


def _said(reason: str | None) -> str:
    return printable(shortened(reason or "no reason", 120))


def _cannot_write(board: Board, reason: str | None) -> BoardError:
    return BoardError(
        f"{board.name}: cannot write there: {_said(reason)}",
        hint="is its disk full, or its home not writable?",
    )


def _lost(board: Board, error: Exception) -> LostError:
    return LostError(
        f"{board.name}: the connection broke off: {_said(str(error) or type(error).__name__)}",
        hint="rerun the command to resume; finished measurements are kept",
    )
