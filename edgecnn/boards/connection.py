"""SSH connections to boards; each failure is one line.

Host keys are checked against ~/.ssh/known_hosts, keys come from the agent and ~/.ssh, and
~/.ssh/config decides about aliases and jump hosts. Whatever a board answers is untrusted: it is
bounded in size and read as JSON after a mark.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.boards.inventory import Board, parse_address
from edgecnn.boards.runner import ANSWER
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.registry import require
from edgecnn.text import first_line, harmless, printable, shortened

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


def unexpected(board: str, error: Exception) -> BoardError:
    """The error for what nobody thought of on one board: it must not end the work on the others."""
    failed = BoardError(
        f"{board}: {first_line(error)}", hint="run it again with --debug, and report it: a bug"
    )
    failed.__cause__ = error
    return failed


def unreadable_answer(board: Board) -> BoardError:
    """The error for an answer that cannot be read."""
    return BoardError(
        f"{board.name}: gave an unreadable answer",
        hint="does its login shell print something, or is its Python broken?",
    )


@asynccontextmanager
async def connected(board: Board) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection to the board, closed at the end. Raises BoardError."""
    require("asyncssh", "boards")
    user, host, port = board.where
    options: dict[str, Any] = {}
    if user:
        options["username"] = user
    if port:
        options["port"] = port
    if board.key:
        options["client_keys"] = [str(_key_of(board))]
        options["ignore_encrypted"] = True  # the agent may hold it
    async with AsyncExitStack() as stack:
        yield await _opened(stack, board.name, host, options)


def _key_of(board: Board) -> Path:
    try:
        key = Path(board.key).expanduser()
    except RuntimeError:  # the home of somebody who is not known here
        key = Path(board.key)
    if not key.is_file():
        raise BoardError(
            f"{board.name}: there is no key {printable(shortened(board.key, 120))}",
            hint=_KEY_HINT,
        )
    return key


_KEY_HINT = "pass --key of a private key, or load it into the agent with ssh-add"


async def _opened(
    stack: AsyncExitStack, who: str, host: str, options: Mapping[str, Any]
) -> asyncssh.SSHClientConnection:
    """A connection to a host over its jump hosts, which `stack` closes. Raises BoardError.

    Jump hosts are connected to here: asyncssh would connect to them without what is asked of
    `known_hosts` below.
    """
    import asyncssh

    jumps, known_hosts, checked = await _configured(who, host, options)
    tunnel = options.get("tunnel")
    for user, name, port in jumps:
        if name == host:  # "Host *" with a ProxyJump is meant for all others
            break
        given = {"username": user, "port": port, "tunnel": tunnel}
        given = {key: value for key, value in given.items() if value}
        tunnel = await _opened(stack, f"{who}: jump host {name}", name, given)
    typed = _typed(options.get("username", ""), host, options.get("port", 0))
    options = {**options, "tunnel": tunnel, "known_hosts": known_hosts}
    try:
        connection = await asyncssh.connect(
            host,
            connect_timeout=CONNECT_SECS,
            keepalive_interval=15,
            keepalive_count_max=3,
            **options,
        )
    except asyncssh.HostKeyNotVerifiable:
        raise BoardError(
            f"{who}: its host key is unknown or has changed",
            hint=f"connect once with ssh to check and accept it: ssh {typed}"
            if checked
            else "UserKnownHostsFile in ~/.ssh/config names no existing file",
        ) from None
    except asyncssh.PermissionDenied:
        if _is_encrypted(options.get("client_keys", ())):
            raise BoardError(
                f"{who}: the key is encrypted and not loaded in the SSH agent",
                hint="load it into the agent with ssh-add",
            ) from None
        raise BoardError(f"{who}: the key was refused", hint=f"ssh-copy-id {typed}") from None
    except (OSError, asyncssh.Error) as error:
        raise LostError(
            f"{who}: cannot be reached: {_reason(error)}",
            hint=f"check that it is on: ssh {typed}",
        ) from None
    except (ValueError, RuntimeError) as error:
        raise BoardError(f"{who}: cannot be connected to: {_reason(error)}") from None
    return await stack.enter_async_context(connection)


async def _configured(
    who: str, host: str, options: Mapping[str, Any]
) -> tuple[list[tuple[str, str, int]], asyncssh.SSHKnownHosts, bool]:
    """(jump hosts, the host keys that are known, whether a file holds them) as ~/.ssh has it.

    Raises BoardError.

    asyncssh takes any host key where UserKnownHostsFile is `none`, and fails where a listed file is
    not there; ssh knows no host then.
    """
    import asyncio

    import asyncssh

    construct = asyncssh.SSHClientConnectionOptions.construct
    try:
        found: Any = await construct(config=(), host=host, **options)
        if found.config.has_match_final():
            found = await construct(config=(), host=host, final=True, **options)
        listed = ["~/.ssh/known_hosts"] if found.known_hosts == [] else found.known_hosts or ()
        files = [str(path) for name in listed if (path := Path(name).expanduser()).is_file()]
        known_hosts = await asyncio.to_thread(asyncssh.read_known_hosts, files)
        words = found.tunnel.split(",") if isinstance(found.tunnel, str) else ()
        jumps = [parse_address(word.strip()) for word in words]
    except asyncssh.KeyImportError as error:
        raise BoardError(
            f"{who}: the key cannot be used: {_reason(error)}", hint=_KEY_HINT
        ) from None
    except (OSError, ValueError, RuntimeError, asyncssh.Error, InputError) as error:
        raise BoardError(
            f"{who}: invalid SSH configuration in ~/.ssh: {_reason(error)}",
            hint="correct it; asyncssh supports a subset of OpenSSH's options",
        ) from None
    return jumps, known_hosts, bool(files) or found.known_hosts == []


def _is_encrypted(keys: Sequence[str]) -> bool:
    import asyncssh

    for key in keys:
        try:
            asyncssh.read_private_key(key)
        except (OSError, asyncssh.KeyImportError) as error:
            return str(error).startswith("Passphrase")
    return False


def _reason(error: Exception) -> str:
    return printable(shortened(str(error) or type(error).__name__, 160))


async def ask(
    connection: asyncssh.SSHClientConnection,
    board: Board,
    command: Sequence[str],
    *,
    script: str = "",
    timeout: float = ANSWER_SECS,
) -> dict[str, Any]:
    """The JSON object that a command answers after the mark; `script` is its standard input.

    Raises BoardError where there is no such object.
    """
    code, out, err = await execute(connection, board, command, script=script, timeout=timeout)
    for line in reversed(out.splitlines()):
        answer = _answer_in(line)
        if answer is not None:
            return answer
    if code == 126 or "Exec format error" in err:
        raise BoardError(
            f"{board.name}: {shortened(command[0], 80)} cannot run there: it is not a program, "
            "or made for another architecture",
            hint="pass the path of a Python of that machine: edgecnn boards add … --python PATH",
        )
    if code == 127:
        raise BoardError(
            f"{board.name}: there is no {shortened(command[0], 80)}",
            hint="install Python 3.11 or newer there, or pass --python to edgecnn boards add",
        )
    output = shortened(err or harmless(out), 160) or "nothing"
    raise BoardError(
        f"{board.name}: gave an unreadable answer (exit code {code}): {output}",
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
    """(exit code, standard output, standard error made harmless) of a command there.

    Raises BoardError.
    """
    import asyncio

    import asyncssh

    try:
        async with asyncio.timeout(timeout), _started(connection, command) as process:
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
    return (-1 if code is None else code), out, harmless(err)


@asynccontextmanager
async def _started(
    connection: asyncssh.SSHClientConnection, command: Sequence[str], **streams: int
) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
    """A command there. Whoever leaves before its end does not wait for it: that may never come."""
    process = await connection.create_process(shlex.join(command), encoding=None, **streams)
    try:
        yield process
    finally:
        process.close()


async def listen(
    connection: asyncssh.SSHClientConnection, board: Board, command: Sequence[str]
) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON objects that a command there answers, as they come. Raises BoardError."""
    import asyncio

    import asyncssh

    try:
        silent = {"stdin": asyncssh.DEVNULL, "stderr": asyncssh.DEVNULL}
        async with _started(connection, command, **silent) as process:
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
                    raise unreadable_answer(board)
    except TimeoutError:
        raise LostError(
            f"{board.name}: no answer for {SILENCE_SECS:.0f} s", hint="is it cut off?"
        ) from None
    except (OSError, asyncssh.Error) as error:
        raise _broken(board, error) from None


def _answer_in(line: str) -> dict[str, Any] | None:
    """The JSON object after the mark, its text harmless; None for any other line."""
    if not line.startswith(ANSWER):
        return None
    try:
        answer = harmless(json.loads(line.removeprefix(ANSWER)))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _broken(board: Board, error: Exception) -> LostError:
    return LostError(
        f"{board.name}: the connection broke off: {_reason(error)}",
        hint="rerun the command to resume; finished measurements are kept",
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
