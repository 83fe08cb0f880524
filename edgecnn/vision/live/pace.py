"""Showing a file at its own speed."""

from __future__ import annotations

import time

LATE_S = 1.0


class FramePace:
    """Waits until a frame of a file is due."""

    def __init__(self) -> None:
        self._began: float | None = None

    def restart(self) -> None:
        """Begin again with the next frame, as after a pause."""
        self._began = None

    def wait(self, seconds: float) -> None:
        """Sleep until `seconds` of the file have passed, at most a second at a time."""
        now = time.monotonic()
        if self._began is None:
            self._began = now - seconds
        early = self._began + seconds - now
        if early < -LATE_S:
            self._began = None  # slower than the file: no race to catch up
        elif early > 0:
            time.sleep(min(early, 1.0))
