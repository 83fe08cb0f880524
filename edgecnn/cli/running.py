"""Run a verb and turn whatever becomes of it into a line, a next step and an exit code.

Errors are caught here and nowhere else. A traceback is printed with --debug only.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from edgecnn.cli import interruption, streams, timeline
from edgecnn.cli.verbs import command
from edgecnn.errors import BUG_EXIT_CODE, EdgeCNNError
from edgecnn.text import printable

NAME = "edgecnn"
COMPLETION = "_EDGECNN_COMPLETE"
READER_GONE_EXIT_CODE = 141
"""128 + SIGPIPE, as with other tools: the verb did not come to its answer."""
WITHOUT_DEBUG = "run it again with --debug for the traceback, and report it: this is a bug"


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line on `arguments` and return the exit code."""
    quiet_libraries()
    streams.make_safe()
    shared: dict[str, object] = {"debug": False, "timeline": timeline.Timeline()}
    try:
        if COMPLETION in os.environ:
            command.main(list(arguments), prog_name=NAME)
        # Not command.main, which makes exit code 1 of a reader that has gone.
        with command.make_context(NAME, list(arguments), obj=shared) as context:
            command.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk behind a redirection shows here
    except click.exceptions.Exit as request:
        return request.exit_code
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _mute(sys.stdout)
        return READER_GONE_EXIT_CODE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (each becomes an exit code)
        return _report(error, debug=bool(shared["debug"]))
    return 0


def _report(error: BaseException, *, debug: bool) -> int:
    """Say on standard error what went wrong and what to do; the exit code."""
    if isinstance(error, KeyboardInterrupt | EOFError | click.Abort) or interruption.received():
        _say("interrupted")
        return interruption.EXIT_CODE
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if debug:
        traceback.print_exception(error)
    message, hint, code = _described(error)
    _say(f"error: {message}")
    if hint and not (debug and code == BUG_EXIT_CODE):
        _say(f"  → {hint}")
    return code


def _described(error: BaseException) -> tuple[str, str, int]:
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
        _mute(sys.stdout)
        return f"cannot write: {error.strerror}", "free some space", 2
    message = " ".join(str(error).split())[:300]
    name = type(error).__name__
    return f"{name}: {message}" if message else name, WITHOUT_DEBUG, BUG_EXIT_CODE


def _mute(stream: object) -> None:
    """Let what is still buffered go nowhere, so that Python's exit does not fail over it."""
    if hasattr(stream, "fileno"):  # none where it was closed by whoever started the command
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def quiet_libraries() -> None:
    """Keep TensorFlow's start-up chatter off the terminal, unless the user has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GLOG_minloglevel", "3")


def _say(line: str) -> None:
    """A line for the user on standard error, without control characters of untrusted names."""
    click.echo(printable(line), err=True)
