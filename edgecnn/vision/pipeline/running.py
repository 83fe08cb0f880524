"""Capture, detection and whoever looks, each in a thread of its own.

    source → [capture] → newest frame, or a short queue → [detect] → short queue → the caller

Every queue is short, so that nothing piles up: when the caller is slow, detection waits, and a
live source drops frames at the camera's end, where the newest one takes the older one's place.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType

from edgecnn.vision.capture import Capture, Opener, Patience
from edgecnn.vision.detections import Detections
from edgecnn.vision.frames import Frame
from edgecnn.vision.pipeline.detecting import KEEP_SHARE, Choice, Detects, Look, Switch
from edgecnn.vision.pipeline.evidence import Evidence, Explainer
from edgecnn.vision.pipeline.timing import Timing
from edgecnn.vision.sources import Source, parse_source
from edgecnn.vision.tracking import Change, Track, Tracker, TrackerSettings, one_by_one

POLL_S = 0.1
CLOSING_S = 2.0


@dataclass(frozen=True)
class Result:
    """What was found in a frame. `finished_ns` is when it was known (time.monotonic_ns)."""

    frame: Frame
    found: Detections
    tracks: tuple[Track, ...]
    changes: tuple[Change, ...]
    finished_ns: int
    evidence: Evidence | None = None


@dataclass
class Pipeline:
    """Runs a detector over a source; iterate over it, inside a `with`.

    Raises in the caller's thread whatever went wrong in the others. Leaving the block stops
    all threads; one that hangs in a driver is left behind.
    """

    source: Source | str
    detector: Detects | Switch
    tracking: TrackerSettings = field(default_factory=TrackerSettings)
    explain: bool = False
    patience: Patience = field(default_factory=Patience)
    opener: Opener | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, str):
            self.source = parse_source(self.source)
        if not isinstance(self.detector, Switch):
            self.detector = Switch(self.detector, Choice("detector", ""))
        self.switch: Switch = self.detector
        self.timing = Timing()
        self.capture = Capture(
            self.source, opener=self.opener, patience=self.patience, timed=self.timing.add
        )
        self.finished = False
        self.results = 0
        self._tracker = Tracker(self.tracking)
        self._queue: queue.Queue[Result] = queue.Queue(1 if self.source.live else 2)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._detect, name="detect", daemon=True)
        self._looking: Look | None = None
        self._version = -1
        self._explainer: Explainer | None = None

    def __enter__(self) -> Pipeline:
        self.capture.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Result]:
        while not self.finished:
            result = self.poll(POLL_S)
            if result is not None:
                yield result

    def poll(self, timeout_s: float) -> Result | None:
        """The next result, or None when none came in time; then `finished` tells whether more
        will. Raises what went wrong in capture or detection.
        """
        ended = self._ended.is_set()  # asked before the queue: what was put before is still there
        try:
            result = self._queue.get(timeout=0 if ended else timeout_s)
        except queue.Empty:
            if ended:
                self.finished = True
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error from None
            return None
        self.results += 1
        self.timing.finished(time.monotonic_ns())
        return result

    def pause(self, paused: bool) -> None:
        """Frames that pass while nobody takes results do not count as dropped."""
        self.capture.count_drops(not paused)

    def leaving(self) -> tuple[Change, ...]:
        """End all tracks, at the end of a run: those that were shown leave."""
        return self._tracker.finish()

    def close(self) -> None:
        """Stop all threads and wait for detection to finish its frame."""
        self._stop.set()
        self.capture.close()
        if self._thread.is_alive():
            self._thread.join(CLOSING_S)

    def _detect(self) -> None:
        try:
            while not self._stop.is_set():
                frame = self.capture.next()
                if frame is None:
                    return
                self._put(self._look(frame))
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            self._error = error
        finally:
            self._ended.set()

    def _look(self, frame: Frame) -> Result:
        detector, version = self.switch.current()
        if self._looking is None or self._version != version:
            self._take(detector, version)
        look = self._looking
        assert look is not None
        found, inside = look(frame.image, self.timing.add)
        began = time.perf_counter_ns()
        tracks, changes = self._tracker.update(found.xyxy, found.scores, frame.seconds)
        finished_ns = time.monotonic_ns()
        self.timing.add("track", time.perf_counter_ns() - began)
        if self.capture.source.live:  # a file's frames wait in the queue, which tells nothing
            self.timing.add("latency", finished_ns - frame.captured_ns)
        evidence = None
        if self.explain:
            began = time.perf_counter_ns()
            if self._explainer is None:
                self._explainer = Explainer(detector)
            evidence = self._explainer.evidence(frame.image, inside)
            self.timing.add("explain", time.perf_counter_ns() - began)
        certain = found.at_least(self._tracker.settings.begin_score)
        return Result(frame, certain, tracks, changes, finished_ns, evidence)

    def _take(self, detector: Detects, version: int) -> None:
        """From now on `detector` looks, with thresholds of its own."""
        self._looking, self._version, self._explainer = Look(detector), version, None
        self.timing.forget()
        threshold = self._looking.threshold
        settings = self.tracking
        if threshold is not None:
            keep = threshold * KEEP_SHARE
            settings = replace(settings, begin_score=threshold, keep_score=keep)
        single = not self.capture.source.continuous
        self._tracker.settings = one_by_one(settings) if single else settings

    def _put(self, result: Result) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(result, timeout=POLL_S)
            except queue.Full:
                continue
            return
