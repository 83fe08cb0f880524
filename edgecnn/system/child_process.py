"""What a process that works for another does first: its answers alone go out, and it does not
outlive who started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import TextIO

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when the process `parent` is gone, even by SIGKILL."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the kernel knew
            os._exit(1)


def claim_standard_output() -> TextIO:
    """Keep the pipe to the parent for answers; send what anyone prints to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers
