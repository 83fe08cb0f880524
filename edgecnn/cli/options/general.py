"""What every verb shares: --debug, --force, its outputs, and the command itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from edgecnn.cli.options.kinds import Command
from edgecnn.version import __version__


def debug() -> Callable[[Command], Command]:
    """--debug, noted for whoever catches the error; the command itself does not get it."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_note_debug,
        help="Show a traceback when something goes wrong.",
    )


def accept_global(command: click.Command) -> None:
    """Let `command` and those below it take the flags of `edgecnn` itself, too."""
    if not any("--debug" in param.opts for param in command.params):
        debug()(command)
        click.version_option(__version__, prog_name="edgecnn", hidden=True)(command)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        accept_global(below)


def _note_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    shared = ctx.find_root().obj
    if value and isinstance(shared, dict):
        shared["debug"] = True


def force() -> Callable[[Command], Command]:
    """--force."""
    return click.option("--force", is_flag=True, help="Overwrite what exists.")


def claim(*outputs: Path | None) -> None:
    """Hold the outputs of this command until it ends; refuse one that another process writes."""
    from edgecnn.system.claims import lock_outputs

    paths = [path for path in outputs if path is not None]
    click.get_current_context().with_resource(lock_outputs(*paths))


def claim_new_file(path: Path | None, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Hold the file that this command writes until it ends; refuse one that is among its `inputs`,
    and without `force` one that exists.
    """
    from edgecnn.files import refuse_input_as_output, refuse_overwrite

    if path is None:
        return
    claim(path)
    refuse_input_as_output(path, inputs)
    refuse_overwrite(path, force=force)


def command_line() -> str:
    """The command as the user typed it, for the results' provenance."""
    return shlex.join(["edgecnn", *sys.argv[1:]])
