"""Objects that appear and leave: logged, counted, announced."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from edgecnn.vision.outputs.events import EventLog, describe
from edgecnn.vision.sources.frames import Frame
from edgecnn.vision.tracking import SIGN, TrackChange

EVENTS_SHOWN = 8


class EventFeed:
    """Writes events to a log and keeps the newest of them.

    `announce` prints a line for each that appears, and with `leaving` for each that leaves.
    """

    def __init__(
        self, log: EventLog | None, announce: Callable[[str], None] | None, *, leaving: bool
    ) -> None:
        self.appeared = 0
        self.recent: deque[dict[str, Any]] = deque(maxlen=EVENTS_SHOWN)
        self._log = log
        self._announce = announce
        self._leaving = leaving

    def add(self, changes: tuple[TrackChange, ...], frame: Frame | None) -> None:
        """Take what changed in `frame`; None at the end of the run."""
        if self._log is not None:
            self._log.write(changes, frame)
        for change in changes:
            event = describe(change, frame)
            self.recent.appendleft(event)
            appears = change.kind == "appear"
            self.appeared += appears
            if self._announce is not None and (appears or self._leaving):
                self._announce(_line(event, appears=appears))


def _line(event: dict[str, Any], *, appears: bool) -> str:
    what = f"appears ({event['score']:.2f})" if appears else "leaves"
    where = f" in {event['picture']}" if "picture" in event else ""
    name = "sign" if event["label"] == SIGN else event["label"]
    return f"{event['seconds']:8.2f} s  {name} #{event['track']} {what}{where}"
