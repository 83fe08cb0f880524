"""What a command says: lines without control characters of untrusted names, and errors."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from edgecnn.errors import BUG_EXIT_CODE, EdgeCNNError
from edgecnn.text import printable

WITHOUT_DEBUG = "run it again with --debug for the traceback, and report it: this is a bug"


def say(line: str) -> None:
    """A line for the user on standard error."""
    click.echo(printable(line), err=True)


def print_line(line: str) -> None:
    """A line of the answer, on standard output."""
    click.echo(printable(line))


def debugging() -> bool:
    """Whether the command that runs was started with --debug."""
    context = click.get_current_context(silent=True)
    shared = context.find_root().obj if context else None
    return isinstance(shared, dict) and bool(shared.get("debug"))


def say_error(error: BaseException, *, debug: bool) -> int:
    """Say on standard error what went wrong and what to do; the exit code."""
    if debug:
        for part in traceback.format_exception(error):
            for line in part.splitlines():
                say(line.expandtabs())
    message, hint, code = _describe(error)
    say(f"error: {message}")
    if hint and not (debug and code == BUG_EXIT_CODE):
        say(f"  → {hint}")
    return code


def _describe(error: BaseException) -> tuple[str, str, int]:
    """(what went wrong, what to do, exit code)."""
    if isinstance(error, EdgeCNNError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, MemoryError):
        return (
            "out of memory",
            "close other programs, or take a smaller model, batch or data set",
            2,
        )
    if isinstance(error, OSError) and error.filename:
        hint = "check that it exists, its permissions and the free space"
        return f"cannot use {error.filename}: {error.strerror}", hint, 2
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        mute(sys.stdout)
        return f"cannot write: {error.strerror}", "free some space", 2
    message = " ".join(str(error).split())[:300]
    name = type(error).__name__
    return f"{name}: {message}" if message else name, WITHOUT_DEBUG, BUG_EXIT_CODE


def mute(stream: object) -> None:
    """Let what is still buffered go nowhere, so that Python's exit does not fail over it."""
    if hasattr(stream, "fileno"):  # none where it was closed by whoever started the command
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
