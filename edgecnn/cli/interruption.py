"""One way to be interrupted, for commands that tidy up and say what they have done so far."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def one_interruption() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does, and a second one does not disturb the tidying up."""
    received = 0

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        if received == 1:
            raise KeyboardInterrupt
        if received > 2:  # whoever insists
            os._exit(130)

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
