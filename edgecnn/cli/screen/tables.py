"""Results on the console."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.results import Results

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120


def console() -> Console:
    """Standard output; 120 columns wide where it is not a terminal."""
    from rich.console import Console

    output = Console()
    return output if output.is_terminal else Console(width=PLAIN_WIDTH)


def show(results: Sequence[Results]) -> None:
    """Print the table of results."""
    from edgecnn.reporting import terminal

    console().print(terminal.render(results))


def print_results_path(path: Path) -> None:
    """Print where a results file is, and the command that makes a page of it."""
    click.echo(f"{path}; a page of it: edgecnn report {path} --out {path.with_suffix('.html')}")
