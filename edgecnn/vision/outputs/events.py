"""Event log as JSON lines: signs that appear and signs that leave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgecnn.vision.outputs.growing_file import GrowingFile
from edgecnn.vision.sources.frames import Frame
from edgecnn.vision.tracking import TrackChange


class EventLog:
    """Appends events to a .jsonl file, every line written whole and at once.

    What lies there with `force` is replaced when the first frame comes; a log without events is an
    empty file then, and none before. A full disk ends the log and `trouble` says so; what was
    written stays readable.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = Path(path)
        self.trouble = ""
        self._file = GrowingFile(self.path, force=force, option="--events")

    def write(self, changes: Sequence[TrackChange], frame: Frame | None) -> None:
        """Add what changed in `frame`; None at the end of the run."""
        if self.trouble:
            return
        try:
            if frame is not None:
                self._file.begin()
            for change in changes:
                line = json.dumps(describe(change, frame), ensure_ascii=False).encode() + b"\n"
                self._file.append(line)
        except OSError as error:
            self._stop(error)

    def close(self) -> None:
        try:
            self._file.close(discard=not self._file.begun)
        except OSError as error:
            self._stop(error)

    def _stop(self, error: OSError) -> None:
        why = error.strerror or error
        self.trouble = self.trouble or f"events stopped: {why} ({self.path.name})"


def describe(
    change: TrackChange, frame: Frame | None, now: datetime | None = None
) -> dict[str, Any]:
    """An event as it stands in the log.

    `time` is the clock's (UTC), `seconds` the video's or since the start, `xyxy` in pixels.
    A sign that leaves has its best score and how long it was there.
    """
    track = change.track
    leaving = change.kind == "leave"
    event: dict[str, Any] = {
        "event": change.kind,
        "time": (now or datetime.now(UTC)).isoformat(timespec="milliseconds"),
        "seconds": round(track.last_seen_s, 3),
        "track": track.id,
        "label": track.label,
        "score": round(track.best_score if leaving else track.score, 4),
        "xyxy": [round(value, 1) for value in track.xyxy],
    }
    if leaving:
        event["stayed_s"] = round(track.last_seen_s - track.began_s, 3)
    if frame is not None:
        event["frame"] = frame.number
        if frame.name and not leaving:
            event["picture"] = frame.name
    return event
