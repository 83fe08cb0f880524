"""The command line: one module a verb, each parses, calls one library function, and renders.

Verbs are imported when they are chosen, so that `edgecnn --help` answers at once. Errors are
caught here and nowhere else.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Mapping

import click

from edgecnn import __version__
from edgecnn.errors import EdgeCNNError

VERBS: Mapping[str, str] = {
    "run": "Train, convert, verify, benchmark and report, in one go.",
    "models": "List the networks; show one layer by layer and draw it.",
    "data": "Look at, pack and collect data: duplicates, leaks, damage.",
    "train": "Train a model of the registry on a data set.",
    "convert": "Convert a .keras file to TFLite and ONNX, float and quantized.",
    "verify": "Compare artifacts with their parent: parity and accuracy gate.",
    "benchmark": "Measure model files on every runtime of this machine.",
    "report": "Turn results files into a page, Markdown, CSV or a picture.",
    "compare": "Two results, before and after: better, worse, cannot be told.",
    "detect": "Find stop signs in a camera, a film or pictures, live.",
    "explain": "Show what a network sees in a picture, and when it moves.",
    "env": "Isolated homes for runtimes that cannot live in this environment.",
    "doctor": "Tell what this machine can run, and for the rest why not.",
}


class _Verbs(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"edgecnn.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from edgecnn.registry import unknown_name

            raise unknown_name("command", args[0], VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecnn")
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
def command(debug: bool) -> None:
    r"""Take a convolutional network from Keras to an edge device and prove how it behaves there.

    \b
    Start with:   edgecnn run --out runs/first
    Shell completion (bash, zsh, fish), for bash:
                  eval "$(_EDGECNN_COMPLETE=bash_source edgecnn)"
    """
    click.get_current_context().obj = {"debug": debug}


def main() -> None:
    """The entry point: run a verb, turn what it raises into a line and an exit code."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run the command line on `arguments` and return the exit code."""
    quiet_libraries()
    debug = "--debug" in arguments
    try:
        command.main(arguments, prog_name="edgecnn", standalone_mode=False)
    except click.exceptions.Exit as request:
        return request.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except EdgeCNNError as error:
        if debug:
            raise
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  → {error.hint}")
        return error.exit_code
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def quiet_libraries() -> None:
    """Keep TensorFlow's start-up chatter off the terminal, unless the user has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GLOG_minloglevel", "3")


def _say(line: str) -> None:
    """A line for the user on standard error, without control characters of untrusted names."""
    printable = "".join(char if char.isprintable() else "�" for char in line)
    click.echo(printable, err=True)
