"""The command line: one module a verb, each parses, calls one library function, and renders.

Nothing is imported here but what it takes to be interrupted: Ctrl-C in the first moment of a
command ends it as it does later.
"""

from __future__ import annotations

import sys

from edgecnn.cli import interruption
from edgecnn.cli.screen import streams

__all__ = ["invoke", "main"]


def main() -> None:
    """The entry point: run a verb, turn what it raises into a line and an exit code."""
    interruption.install()
    try:
        streams.ensure_utf8()
        code = invoke(sys.argv[1:])
    except KeyboardInterrupt:  # while the command line itself was imported
        sys.stderr.write("interrupted\n")
        code = interruption.EXIT_CODE
    interruption.uninstall()
    sys.exit(code)


def invoke(arguments: list[str]) -> int:
    """Run the command line on `arguments` and return the exit code."""
    from edgecnn.cli import running

    return running.invoke(arguments)
