"""A connection to a board: SSH as everybody has it, and every failure as one line.

Host keys are checked against ~/.ssh/known_hosts, keys come from the agent and ~/.ssh, and
~/.ssh/config decides about aliases and jump hosts. Whatever a board answers is untrusted: it is
bounded in size and read as JSON after a mark.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.boards.inventory import Board
from edgecnn.boards.runner import ANSWER
from edgecnn.errors import EdgeCNNError
from edgecnn.registry import require
from edgecnn.text import printable, shortened

if TYPE_CHECKING:
    import asyncssh

CONNECT_SECS = 20.0
ANSWER_SECS = 60.0
MOST_BYTES = 1 << 20
SILENCE_SECS = 45.0
"""Whoever follows a job hears something every 15 seconds, or the link is cut."""


class BoardError(EdgeCNNError):
    """A board that cannot be used now: what is wrong, and what to do."""

    exit_code = 3


class LostError(BoardError):
    """The connection to a board broke off."""


class JobError(BoardError):
    """A job that fails on the board itself: the board is fit, trying again would not help."""


class TakenOverError(BoardError):
    """Another client works on the job by now."""


def nonsense(board: Board) -> BoardError:
    """The error for an answer that is none."""
    return BoardError(
        f"{board.name}: gave an unreadable answer",
        hint="does its login shell print something, or is its Python broken?",
    )


@asynccontextmanager
async def connected(board: Board) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to the board, closed at the end. Raises BoardError."""
    require("asyncssh", "boards")
    import asyncssh

    user, host, port = board.where
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECS,
        "keepalive_interval": 15,
        "keepalive_count_max": 3,
    }
    if user:
        options["username"] = user
    if port:
        options["port"] = port
    if board.key:
        if not Path(board.key).expanduser().is_file():
            raise BoardError(
                f"{board.name}: there is no key {shortened(board.key, 120)}",
                hint="pass --key of a private key, or load it into the agent with ssh-add",
            )
        options["client_keys"] = [str(Path(board.key).expanduser())]
    try:
        connection = await asyncssh.connect(host, **options)
    except asyncssh.HostKeyNotVerifiable:
        raise BoardError(
            f"{board.name}: its host key is unknown or has changed",
            hint=f"connect once with ssh to check and accept it: ssh {_typed(user, host, port)}",
        ) from None
    except asyncssh.PermissionDenied:
        raise BoardError(
            f"{board.name}: it refused the key",
            hint=f"ssh-copy-id {_typed(user, host, port)}",
        ) from None
    except asyncssh.KeyImportError as error:
        raise BoardError(
            f"{board.name}: the key cannot be used: {shortened(str(error), 120)}",
            hint="pass --key of a private key, or load it into the agent with ssh-add",
        ) from None
    except (OSError, asyncssh.Error) as error:
        reason = shortened(str(error) or type(error).__name__, 160)
        raise LostError(
            f"{board.name}: cannot be reached: {reason}",
            hint=f"check that it is on: ssh {_typed(user, host, port)}",
        ) from None
    async with connection:
        yield connection


async def ask(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    command: Sequence[str],
    *,
    script: str = "",
    timeout: float = ANSWER_SECS,
) -> dict[str, Any]:
    """The JSON object that a command answers after the mark; `script` is its standard input.

    Raises BoardError where the answer is none.
    """
    code, out, err = await execute(connection, board, command, script=script, timeout=timeout)
    for line in reversed(out.splitlines()):
        answer = _answer_in(line)
        if answer is not None:
            return answer
    if code == 126 or "Exec format error" in err:
        raise BoardError(
            f"{board.name}: {shortened(command[0], 80)} does not run there: it is made for "
            "another architecture, or no program",
            hint="pass the path of a Python of that machine: edgecnn boards add … --python PATH",
        )
    if code == 127 or "not found" in err or "No such file" in err:
        raise BoardError(
            f"{board.name}: there is no {shortened(command[0], 80)}",
            hint="install Python 3.11 or newer there, or pass --python to edgecnn boards add",
        )
    output = shortened(err or out, 160) or "nothing"
    raise BoardError(
        f"{board.name}: gave an unreadable answer (exit code {code}): {printable(output)}",
        hint="does its login shell print something, or is its Python broken?",
    )


async def execute(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    command: Sequence[str],
    *,
    script: str = "",
    timeout: float = ANSWER_SECS,
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command there. Raises BoardError."""
    import asyncio

    import asyncssh

    try:
        async with asyncio.timeout(timeout):
            async with connection.create_process(
                shlex.join(command), encoding=None, stdin=asyncssh.PIPE
            ) as process:
                with suppress(BrokenPipeError):  # it ended without reading
                    process.stdin.write(script.encode())
                    process.stdin.write_eof()
                out, err = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
                await process.wait_closed()
                code = process.exit_status
    except TimeoutError:
        raise LostError(
            f"{board.name}: no answer for {timeout:.0f} s", hint="is it overloaded, or cut off?"
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise _broken(board, error) from None
    return (-1 if code is None else code), out, err


async def listen(
    connection: asyncssh.SSHClientConnection, board: Board, command: Sequence[str]
) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON objects that a command there answers, as they come. Raises BoardError."""
    import asyncio

    import asyncssh

    try:
        async with connection.create_process(
            shlex.join(command), encoding=None, stdin=asyncssh.DEVNULL, stderr=asyncssh.DEVNULL
        ) as process:
            waiting = b""
            while True:
                async with asyncio.timeout(SILENCE_SECS):
                    piece = await process.stdout.read(65_536)
                if not piece:
                    return
                *lines, waiting = (waiting + piece).split(b"\n")
                for line in lines:
                    answer = _answer_in(line.decode(errors="replace"))
                    if answer is not None:
                        yield answer
                if len(waiting) > MOST_BYTES:
                    raise nonsense(board)
    except TimeoutError:
        raise LostError(
            f"{board.name}: no answer for {SILENCE_SECS:.0f} s", hint="is it cut off?"
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise _broken(board, error) from None


def _answer_in(line: str) -> dict[str, Any] | None:
    """The JSON object after the mark; None for any other line."""
    if not line.startswith(ANSWER):
        return None
    try:
        answer = json.loads(line.removeprefix(ANSWER))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _broken(board: Board, error: Exception) -> LostError:
    return LostError(
        f"{board.name}: the connection broke off: "
        f"{printable(shortened(str(error) or type(error).__name__, 120))}",
        hint="run the same command again: what was measured is kept there",
    )


async def _bounded(stream: Any) -> str:
    """What a stream gives, at most MOST_BYTES of it; the rest is read and dropped."""
    kept = bytearray()
    while piece := await stream.read(65_536):
        kept += piece[: MOST_BYTES - len(kept)]
    return kept.decode(errors="replace")


def _typed(user: str, host: str, port: int) -> str:
    """The words for ssh."""
    return " ".join([*(["-p", str(port)] if port else []), f"{user}@{host}" if user else host])
