"""Results on the console."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.results import Results

PLAIN_WIDTH = 120


def show(results: Sequence[Results]) -> None:
    """Print the table of results; where the output is no terminal, 120 columns wide."""
    from rich.console import Console

    from edgecnn.reporting import terminal

    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(terminal.render(results))
