"""Outputs of a live run: a window, a browser, a video file, an event log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.outputs.events import EventLog
from edgecnn.vision.outputs.recording import Recorder
from edgecnn.vision.outputs.server import LiveServer
from edgecnn.vision.outputs.window import Window
from edgecnn.vision.sources.frames import ImageArray


class LiveOutputs:
    """The outputs that were asked for, opened; `closing` closes them. None where not asked for.

    Raises InputError where one cannot be opened.
    """

    def __init__(self, settings: LiveSettings, closing: ExitStack) -> None:
        self.events: EventLog | None = None
        self.recorder: Recorder | None = None
        self.server: LiveServer | None = None
        self.window: Window | None = None
        if settings.events is not None:
            self.events = EventLog(settings.events, force=settings.force)
            closing.callback(self.events.close)
        if settings.record is not None:
            self.recorder = Recorder(settings.record, force=settings.force)
            closing.callback(self.recorder.close)
        if settings.serve is not None:
            self.server = LiveServer(settings.serve)
            closing.callback(self.server.close)
        if settings.window:
            self.window = Window("edgecnn")
            closing.callback(self.window.close)

    @property
    def show_frames(self) -> bool:
        """Whether any output takes frames."""
        return bool(self.window or self.recorder or self.server)

    @property
    def watched(self) -> bool:
        """Whether somebody looks on while it runs."""
        return bool(self.window or self.server)

    @property
    def recording(self) -> bool:
        """Whether frames are recorded, and could be so far."""
        return self.recorder is not None and not self.recorder.trouble

    @property
    def note(self) -> str:
        """What differs between what was shown and what is recorded."""
        return self.recorder.note if self.recorder is not None else ""

    def troubles(self) -> Iterator[str]:
        """What could not be written, a sentence each."""
        for output in (self.recorder, self.events):
            if output is not None and output.trouble:
                yield output.trouble

    def show(self, canvas: ImageArray, state: dict[str, Any]) -> None:
        """Show a frame to who looks on."""
        if self.window is not None:
            self.window.show(canvas)
        if self.server is not None:
            self.server.publish(canvas, state)

    def command(self, wait_ms: int) -> str:
        """What the user asked for by key or in the browser; empty for nothing."""
        command = self.window.command(wait_ms) if self.window is not None else ""
        if not command and self.server is not None and not self.server.commands.empty():
            command = self.server.commands.get_nowait()
        return command
