"""Reading a source in a thread that can be abandoned.

A blocking read of OpenCV cannot be interrupted. So it runs in a thread of its own, whoever
wants frames waits only as long as patience lasts, and a thread that hangs is left behind: it
is a daemon, has no way back into the buffer, and closes its reader when the driver lets it go.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.frames import Frame, Read, Reader
from edgecnn.vision.sources.readers import now_ns, open_reader

Opener = Callable[[Source], Reader]

WAITING = 2
"""Decoded frames of a file that wait for the network: enough to overlap, too few to fill memory."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 8.0
CLOSING_S = 1.0


@dataclass(frozen=True)
class Patience:
    """How long to wait: for a source to open, for a frame, and for one that went away."""

    open_s: float = 15.0
    read_s: float = 5.0
    return_s: float = 60.0


class Capture:
    """Frames of a source, one after another. Only one thread may call `next`.

    For a live source the newest frame is kept and an older one that nobody took is dropped
    and counted; a file waits. A live source that goes or stalls is opened again after 0.5,
    1, 2, 4, 8, 8 … seconds, until `patience.return_s` have passed without a frame.
    """

    def __init__(
        self,
        source: Source,
        *,
        opener: Opener | None = None,
        patience: Patience | None = None,
        timed: Callable[[str, int], None] | None = None,
    ) -> None:
        self.source = source
        self.patience = patience or Patience()
        self.drops = 0
        self.reconnects = 0
        self.fps = 0.0
        self.trouble = ""
        """What is wrong right now, for whoever shows it; empty while frames come."""
        self.timed = timed or (lambda _stage, _duration_ns: None)
        self._opener = opener
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._reading: _Reading | None = None
        self._number = 0
        self._taken = 0
        self._started_ns = now_ns()
        self._unreadable = 0
        self._cut_off = self._left_out = ""
        self._closed = False
        self._counting = True

    @property
    def unreadable(self) -> int:
        """Damaged frames or images that were left out."""
        reading = self._reading
        return self._unreadable + (reading.unreadable if reading else 0)

    @property
    def cut_off(self) -> str:
        """What a file that ended sooner than it says lacks; empty for others."""
        return self._reading.cut_off if self._reading else self._cut_off

    @property
    def left_out(self) -> str:
        """The images that could not be decoded, by name; empty without any."""
        return self._reading.left_out if self._reading else self._left_out

    def start(self) -> None:
        """Begin to open the source; `next` waits for it."""
        self._reading = _Reading(self)

    def next(self) -> Frame | None:
        """Wait for a frame; None when the source has ended or the capture was closed.

        Raises InputError (or what the reader raised) when the source cannot be opened, a file
        stalls, or a live source stays away too long.
        """
        lost_at: float | None = None
        delay = FIRST_DELAY_S
        while True:
            frame, why = self._wait()
            if frame is not None or self._closed:
                self.trouble = ""
                return frame
            if why is None:
                return None
            hopeless = self._number == 0 and self.reconnects == 0
            if not self.source.live or hopeless or not isinstance(why, EdgeCNNError):
                raise why
            lost_at = time.monotonic() if lost_at is None else lost_at
            if time.monotonic() - lost_at + delay > self.patience.return_s:
                raise InputError(
                    f"{self.source} disconnected after {self._number} frames and did not come back "
                    f"within {self.patience.return_s:g} s ({why.message})",
                    hint="check the cable, the network or the other end",
                ) from why
            self.trouble = f"{why.message}; again in {delay:g} s"
            self._abandon()
            if self._sleep(delay):
                return None
            delay = min(2 * delay, LONGEST_DELAY_S)
            self.reconnects += 1
            self._reading = _Reading(self)

    def open(self) -> Reader:
        """Open the source; called in the thread that will read it."""
        if self._opener is not None:
            return self._opener(self.source)
        return open_reader(self.source, timeout_s=self.patience.open_s)

    def count_drops(self, counting: bool) -> None:
        """Frames that pass while the viewer has paused are not late."""
        self._counting = counting

    def close(self) -> None:
        """Wake whoever waits and let the reading thread go; one that hangs is left behind.

        The others are waited for: Python ends with an abort when it ends while a thread is
        about to come back from OpenCV.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        reading = self._reading
        self._abandon()
        if reading is not None:
            reading.join(CLOSING_S)

    def _wait(self) -> tuple[Frame | None, Exception | None]:
        """A frame; or neither, at the end; or the reason why there is none."""
        reading = self._reading
        assert reading is not None, "start() comes first"
        began = time.monotonic()
        with self._changed:
            while not self._closed:
                if self._frames:
                    frame = self._frames.popleft()
                    self._taken += 1
                    self._changed.notify_all()
                    return frame, None
                if reading.ended:
                    if reading.error is not None or not self.source.live:
                        return None, reading.error
                    return None, InputError(f"{self.source} ended")
                # A reader of files may have rested while the buffer was full: only the time
                # that somebody waits for it counts.
                limit = self.patience.read_s if reading.opened else self.patience.open_s
                remaining = max(reading.alive_at, began) + limit - time.monotonic()
                if remaining <= 0:
                    what = "frame" if reading.opened else "answer"
                    return None, InputError(f"{self.source} stalled: no {what} for {limit:g} s")
                self._changed.wait(remaining)
        return None, None

    def _sleep(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, seconds)

    def _abandon(self) -> None:
        if self._reading is not None:
            self._unreadable += self._reading.unreadable
            self._cut_off, self._left_out = self._reading.cut_off, self._reading.left_out
            self._reading.abandon()
            self._reading = None

    def offer(
        self,
        reading: _Reading,
        read: Read,
        captured_ns: int,
        whole: tuple[int, int] | None = None,
    ) -> bool:
        """Put a frame into the buffer on behalf of `reading`; False when it was abandoned."""
        image, seconds, name = read
        if seconds < 0:
            seconds = (captured_ns - self._started_ns) / 1e9
        with self._changed:
            if not self.source.live:
                self._changed.wait_for(
                    lambda: len(self._frames) < WAITING or reading.abandoned or self._closed
                )
            if reading.abandoned or self._closed:
                return False
            if self.source.live and self._frames:
                self._frames.clear()
                self.drops += self._counting
            self._frames.append(Frame(image, self._number, captured_ns, seconds, name, whole))
            self._number += 1
            reading.alive_at = time.monotonic()
            self._changed.notify_all()
            return True

    def report(self, reading: _Reading) -> None:
        """`reading` has opened its source, or ended."""
        with self._changed:
            if not reading.abandoned:
                self.fps = reading.fps or self.fps
                self._changed.notify_all()


class _Reading:
    """One attempt at a source: opens it and reads until it ends or is abandoned."""

    def __init__(self, capture: Capture) -> None:
        self.opened = False
        self.ended = False
        self.abandoned = False
        self.error: Exception | None = None
        self.unreadable = 0
        self.cut_off = self.left_out = ""
        self.fps = 0.0
        self.alive_at = time.monotonic()
        self._capture = capture
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        self.abandoned = True

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        capture = self._capture
        try:
            reader = capture.open()
            try:
                self._read_all(reader)
            finally:
                self._note(reader)
                reader.close()
        except Exception as error:  # noqa: BLE001 (raised again where frames are asked for)
            self.error = error
        finally:
            self.ended = True
            capture.report(self)

    def _read_all(self, reader: Reader) -> None:
        self.opened = True
        self.fps = reader.fps
        self.alive_at = time.monotonic()
        self._capture.report(self)
        while not self.abandoned:
            began_ns = now_ns()
            read = reader.read()
            captured_ns = now_ns()
            self._note(reader)  # a run may end before the source does
            if not self._capture.source.live:  # a camera is waited for, a file is worked on
                self._capture.timed("decode", captured_ns - began_ns)
            whole = getattr(reader, "whole", None)
            if read is None or not self._capture.offer(self, read, captured_ns, whole):
                return

    def _note(self, reader: Reader) -> None:
        """What the reader has left out so far."""
        self.unreadable = reader.unreadable
        self.cut_off = str(getattr(reader, "cut_off", ""))
        self.left_out = str(getattr(reader, "left_out", ""))
