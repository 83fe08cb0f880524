"""The verbs: a group whose commands are imported when they are named.

So `edgecnn --help` answers at once, and a verb imports what it needs and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from edgecnn.cli import options
from edgecnn.version import __version__

GROUPS: Mapping[str, Mapping[str, str]] = {
    "From a model to an answer": {
        "run": "Train, convert, verify, benchmark and report in one command.",
        "train": "Train a network on a data set.",
        "convert": "Convert a model to TFLite and ONNX, float and quantized.",
        "verify": "Check converted files: parity and accuracy gate.",
        "benchmark": "Measure model files on the runtimes of this machine.",
        "report": "Make a page, Markdown, CSV or an image of results.",
        "compare": "Compare two results files: better, worse or undecided.",
        "optimize": "Find the file and the runtime to ship, and prove the choice.",
        "search": "Find the network that fits: hyperparameters, measured on the target.",
        "bundle": "Pack a model file as something that runs.",
    },
    "Explore and use": {
        "models": "List the networks; show one layer by layer and draw it.",
        "data": "Inspect, pack and collect data sets.",
        "explain": "Show what a network sees in an image, or reads in a sentence.",
        "results": "Keep results in a database: history, changes, gates.",
        "translate": "Translate sentences with a sequence model.",
        "detect": "Find stop signs in a camera, a video or images, live.",
    },
    "Machines": {
        "doctor": "Show which runtimes this machine has, and what the others need.",
        "boards": "Manage the machines that are measured over SSH.",
        "env": "Manage isolated environments for conflicting runtimes.",
    },
}
VERBS: Mapping[str, str] = {name: text for verbs in GROUPS.values() for name, text in verbs.items()}
EXIT_CODES = (
    ("0", "done"),
    ("1", 'the answer is "no": a gate failed, a regression was found'),
    ("2", "wrong usage or bad input"),
    ("3", "a runtime or a dependency is missing"),
    ("70", "a bug in edgecnn: please report it"),
    ("130", "interrupted"),
)


class _Verbs(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"edgecnn.cli.commands.{cmd_name}")
        command: click.Command = module.command
        options.accept_global(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from edgecnn.registry import unknown_name

            raise unknown_name("command", args[0], VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl(list(EXIT_CODES))
        with formatter.section("Shell completion"):
            formatter.write_dl(
                [
                    ("bash", 'eval "$(_EDGECNN_COMPLETE=bash_source edgecnn)"'),
                    ("zsh", 'eval "$(_EDGECNN_COMPLETE=zsh_source edgecnn)"'),
                    ("fish", "_EDGECNN_COMPLETE=fish_source edgecnn | source"),
                ]
            )


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecnn")
@options.debug()
def command() -> None:
    """Take a convolutional network from Keras to an edge device and prove how it behaves there.

    Start with `edgecnn run --quick --out runs/first`; `edgecnn COMMAND --help` shows its options.
    """
