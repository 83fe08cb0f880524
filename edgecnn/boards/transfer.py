"""Files to a board and back: sent once by their digest, checked there, never half there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from edgecnn.boards.connection import BoardError, LostError, ask, nonsense
from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.errors import InputError
from edgecnn.formats.check import digest_of, model_files
from edgecnn.manifest import sidecar_path
from edgecnn.text import shortened

if TYPE_CHECKING:
    import asyncssh

CHECK_SECS = 600.0
"""A slow board hashes a large file for a while."""
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
import hashlib, json, os
arrived = json.loads({{arrived!r}})
wrong = []
for place, digest in arrived.items():
    found = hashlib.sha256()
    with open(place + ".part", "rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
        os.fsync(file.fileno())
    if found.hexdigest() == digest:
        os.replace(place + ".part", place)
    else:
        wrong.append(place)
print()
print({ANSWER!r} + json.dumps({{{{"wrong": wrong}}}}))
"""


@dataclass(frozen=True)
class Parcel:
    """A file that belongs at a place below a board's home."""

    place: str
    path: Path
    sha256: str
    size: int


def parcel(path: Path, folder: str = "files", name: str = "") -> Parcel:
    """A file under its own digest. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return Parcel(f"{folder}/{digest}/{name or path.name}", path, digest, size)


def parcels_of_model(path: Path) -> list[Parcel]:
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
        own = parcel(sidecar)
        digest = hashlib.sha256(f"{digest} {own.sha256}".encode()).hexdigest()
        named[sidecar.name] = sidecar
    made = {name: parcel(file) for name, file in named.items()}
    return [
        Parcel(f"models/{digest}/{name}", each.path, each.sha256, each.size)
        for name, each in made.items()
    ]


async def send(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    python: str,
    home: PurePosixPath,
    parcels: Sequence[Parcel],
) -> None:
    """Send what is not there yet. Raises BoardError."""
    import json

    by_place = {str(home / each.place): each for each in parcels}
    if not by_place:
        return
    wanted = json.dumps({place: each.size for place, each in by_place.items()})
    script = _WANTED.format(wanted=wanted)
    answer = await ask(connection, board, [python, "-"], script=script)
    said = answer.get("missing")
    if not isinstance(said, list):
        raise nonsense(board)
    missing = [place for place in by_place if place in said]
    if not missing:
        return
    await upload(connection, board, {f"{place}.part": by_place[place].path for place in missing})
    arrived = json.dumps({place: by_place[place].sha256 for place in missing})
    script = _ARRIVED.format(arrived=arrived)
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
        async with connection.start_sftp_client() as sftp:
            for target, content in files.items():
                await sftp.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
                if isinstance(content, Path):
                    await sftp.put(str(content), target)
                else:
                    async with sftp.open(f"{target}.part", "wb") as file:
                        await file.write(content)
                    await sftp.posix_rename(f"{target}.part", target)
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise _lost(board, error) from None
    except asyncssh.SFTPError as error:
        raise _cannot_write(board, error.reason) from None
    except (OSError, asyncssh.Error) as error:
        raise _lost(board, error) from None


async def fetch(
    connection: asyncssh.SSHClientConnection, board: Board, source: str, limit: int
) -> bytes:
    """The content of a file there, at most `limit` bytes. Raises BoardError."""
    import asyncssh

    try:
        async with connection.start_sftp_client() as sftp:
            size = (await sftp.stat(source)).size or 0
            if size > limit:
                raise BoardError(f"{board.name}: its results are larger than the limit", hint="")
            async with sftp.open(source, "rb") as file:
                content: Any = await file.read(size)
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise _lost(board, error) from None
    except asyncssh.SFTPError as error:
        raise BoardError(
            f"{board.name}: left no results: {shortened(error.reason or '', 120)}",
            hint="pass --force to measure again",
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise _lost(board, error) from None
    return bytes(content)


def _cannot_write(board: Board, reason: str | None) -> BoardError:
    return BoardError(
        f"{board.name}: cannot write there: {shortened(reason or 'no reason', 120)}",
        hint="is its disk full, or its home not writable?",
    )


def _lost(board: Board, error: Exception) -> LostError:
    return LostError(
        f"{board.name}: the connection broke off: "
        f"{shortened(str(error) or type(error).__name__, 120)}",
        hint="run the same command again: what was measured is kept there",
    )
