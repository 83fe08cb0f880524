"""Notices during a live run: lines on the terminal, overlays in the image."""

from __future__ import annotations

import time
from collections.abc import Callable

NOTICE_SHOWN_S = 5.0


class Notices:
    """Each trouble is reported once; the newest notice is shown for five seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.newest = ""
        self._since = 0.0
        self._reported: set[str] = set()

    @property
    def current(self) -> str:
        """The newest notice while it is shown, else an empty text."""
        return self.newest if time.monotonic() - self._since < NOTICE_SHOWN_S else ""

    @property
    def reported(self) -> tuple[str, ...]:
        """All troubles so far, sorted."""
        return tuple(sorted(self._reported))

    def notify(self, notice: str) -> None:
        """Show a notice in the image."""
        self.newest, self._since = notice, time.monotonic()

    def report(self, trouble: str) -> None:
        """Print a trouble and show it in the image, the first time that it comes."""
        if trouble and trouble not in self._reported:
            self._reported.add(trouble)
            self.say(trouble)
            self.notify(trouble)
