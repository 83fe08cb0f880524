"""Ctrl-C and its relatives: a command ends tidily, with one line and exit code 130.

The standard library's smallest modules alone, so that the handler is in place before anything
that takes time is imported.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import Any

EXIT_CODE = 130
TIDYING_SECS = 3.0
"""So long after the first signal, further ones do not disturb the tidying up."""
MOST_SIGNALS = 3
"""Whoever sends more insists: the process ends at once."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

_count = 0
_first_at = 0.0


def install() -> None:
    """From now on the signals raise KeyboardInterrupt in the main thread.

    A signal that whoever started the command has switched off (nohup, a job in the background
    of a script) stays off.
    """
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _unraisable


def received() -> bool:
    """Whether a signal came. Libraries turn the KeyboardInterrupt into errors of their own."""
    return _count > 0


def uninstall() -> None:
    """From now on a signal ends the process at once, without a word: nothing is left to tidy."""
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    global _count, _first_at  # noqa: PLW0603 (a process has one set of signal handlers)
    _count += 1
    now = time.monotonic()
    if _count > MOST_SIGNALS:
        os._exit(EXIT_CODE)
    if _count == 1 or now - _first_at > TIDYING_SECS:
        _first_at = now
        raise KeyboardInterrupt


def _unraisable(unraisable: Any) -> None:
    """Where Python cannot raise (a callback of native code), a lost interruption comes again."""
    global _count  # noqa: PLW0603
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    from threading import Timer

    _count = 0
    timer = Timer(0.05, signal.raise_signal, (signal.SIGINT,))
    timer.daemon = True
    timer.start()
