"""Run a verb and turn whatever becomes of it into a line, a next step and an exit code.

Errors are caught here and nowhere else. A traceback is printed with --debug only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from edgecnn.cli import interruption
from edgecnn.cli.screen import messages, streams, timeline
from edgecnn.cli.verbs import command

NAME = "edgecnn"
COMPLETION = "_EDGECNN_COMPLETE"
READER_GONE_EXIT_CODE = 141
"""128 + SIGPIPE, as with other tools: the verb did not come to its answer."""


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
        messages.mute(sys.stdout)
        return READER_GONE_EXIT_CODE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (each becomes an exit code)
        return _report(error, debug=bool(shared["debug"]))
    return 0


def _report(error: BaseException, *, debug: bool) -> int:
    """Say on standard error what went wrong and what to do; the exit code."""
    if isinstance(error, KeyboardInterrupt | EOFError | click.Abort) or interruption.received():
        messages.say("interrupted")
        return interruption.EXIT_CODE
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    return messages.say_error(error, debug=debug)


def quiet_libraries() -> None:
    """Keep TensorFlow's start-up chatter off the terminal, unless the user has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GLOG_minloglevel", "3")
