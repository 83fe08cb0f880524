"""What happened, a line of JSON each: signs that appear and signs that leave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from edgecnn.errors import InputError
from edgecnn.files import refuse_overwrite
from edgecnn.vision.frames import Frame
from edgecnn.vision.tracking import TrackChange


class EventLog:
    """Appends events to a .jsonl file, every line written whole and at once.

    A full disk ends the log and `trouble` says so; what was written stays readable.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = Path(path)
        self.trouble = ""
        refuse_overwrite(self.path, force=force)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("wb", buffering=0)
        except OSError as error:
            raise InputError(
                f"cannot write {path}: {error.strerror}", hint="choose another --events"
            ) from error

    def write(self, changes: Sequence[TrackChange], frame: Frame | None) -> None:
        """Add what changed in `frame`; None at the end of the run."""
        for change in changes:
            if self.trouble:
                return
            line = json.dumps(describe(change, frame), ensure_ascii=False).encode() + b"\n"
            before = self._file.tell()
            try:
                written = self._file.write(line)
                if written != len(line):  # a disk with room for half a line
                    self._file.truncate(before)
                    raise OSError(None, "no space left")
            except OSError as error:
                self.trouble = f"events stopped: {error.strerror or error} ({self.path.name})"

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.trouble = self.trouble or f"events stopped: {error.strerror} ({self.path.name})"


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
