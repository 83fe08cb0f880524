"""A bundle in a process of its own, where edgecnn cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NAME = "reader_static_int8"
"""What the bundle of `conftest.plain` in static int8 is called."""


def run(home: Path, *arguments: str, name: str = NAME) -> subprocess.CompletedProcess:
    """`python -m NAME …` where edgecnn cannot be imported from the sources."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    blocked = "import sys; sys.modules['edgecnn'] = None; import runpy, sys; "
    code = (
        f"{blocked}sys.argv = ['x', *sys.argv[1:]]; runpy.run_module({name!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
