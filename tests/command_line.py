"""`edgecnn …` as it is typed: in a process of its own, or here, where TensorFlow is loaded."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

from edgecnn.cli import invoke

EDGECNN = [sys.executable, "-c", "from edgecnn.cli import main; main()"]
QUICK = ("--profile", "quick", "--processes", "1", "--max-secs", "0.5")
"""With which `edgecnn benchmark` is done soonest."""


def edgecnn(*arguments: object, timeout: float = 300, **more) -> subprocess.CompletedProcess[str]:
    """In a process of its own; `more` are keywords of subprocess.run."""
    command = [*EDGECNN, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=timeout, **more
    )


def here(*arguments: object, cwd=None) -> subprocess.CompletedProcess[str]:
    """In this process: the same parsing, rendering, errors and exit codes, seconds sooner."""
    typed = [str(argument) for argument in arguments]
    out, said = io.StringIO(), io.StringIO()
    place = contextlib.chdir(cwd) if cwd else contextlib.nullcontext()
    with place, contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = invoke(typed)
    return subprocess.CompletedProcess(typed, code, out.getvalue(), said.getvalue())
