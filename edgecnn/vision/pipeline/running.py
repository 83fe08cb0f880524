"""Capture, detection and the caller, each in a thread of its own.

    a file:   [decode] → 2 frames → [prepare] → 2 → [infer] → 2 → [follow] → 2 → the caller
    live:     [capture] → the newest frame → [prepare, infer, follow] → 1 → the caller

Every queue is short, so that nothing piles up: when the caller is slow, detection waits, and a
live source drops frames at the camera's end, where the newest one takes the older one's place.
Live frames are prepared only when the network is free for them: one that was made ready and then
waits is old before it is looked at. A file's frames have time, and there the network is all that
its thread does: boxes and tracks are found in parallel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from edgecnn.detection.detections import Detections
from edgecnn.registry import require
from edgecnn.vision.evidence.computing import Evidence, Explainer
from edgecnn.vision.pipeline.detecting import (
    DetectorLike,
    DetectorSpec,
    DetectorStages,
    DetectorSwitch,
    PreparedImage,
    RawOutputs,
)
from edgecnn.vision.pipeline.stage_thread import POLL_S, StageThread
from edgecnn.vision.pipeline.timing import Timing
from edgecnn.vision.sources import Source, parse_source
from edgecnn.vision.sources.capture import Capture, Opener, Patience
from edgecnn.vision.sources.frames import Frame
from edgecnn.vision.tracking import Track, TrackChange, Tracker, TrackerSettings, one_by_one


@dataclass(frozen=True)
class Result:
    """What was found in a frame. `finished_ns` is when it was known (time.monotonic_ns)."""

    frame: Frame
    found: Detections
    tracks: tuple[Track, ...]
    changes: tuple[TrackChange, ...]
    finished_ns: int
    evidence: Evidence | None = None


@dataclass(frozen=True)
class _Ready:
    frame: Frame
    stages: DetectorStages
    prepared: PreparedImage


@dataclass(frozen=True)
class _Answered:
    frame: Frame
    stages: DetectorStages
    answer: RawOutputs | Detections


@dataclass
class Pipeline:
    """Runs a detector over a source; iterate over it, inside a `with`.

    Raises in the caller's thread whatever went wrong in the others. Leaving the block stops
    all threads; one that hangs in a driver is left behind.

    Meanwhile OpenCV's own functions run on one thread: the stages are what runs side by side,
    and helpers for each resize take the cores from the others (525 frames/s instead of 402 with
    stop_sign_nano on two cores).
    """

    source: Source | str
    detector: DetectorLike | DetectorSwitch
    tracking: TrackerSettings = field(default_factory=TrackerSettings)
    explain: bool = False
    patience: Patience = field(default_factory=Patience)
    opener: Opener | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, str):
            self.source = parse_source(self.source)
        if not isinstance(self.detector, DetectorSwitch):
            self.detector = DetectorSwitch(self.detector, DetectorSpec("detector", ""))
        self.switch: DetectorSwitch = self.detector
        self.timing = Timing()
        self.capture = Capture(
            self.source, opener=self.opener, patience=self.patience, timed=self.timing.add
        )
        self.results = 0
        self._cv2_threads = 0
        self._tracker = Tracker(self.tracking)
        self._shown: tuple[Track, ...] = ()
        self._stages: DetectorStages | None = None
        self._version = -1
        self._tracked_for: DetectorStages | None = None
        self._explainer: Explainer | None = None
        live = self.source.live
        self._preparing = None if live else StageThread("prepare", self._prepare, 2)
        self._inferring = None if live else StageThread("infer", self._infer, 2)
        self._following = StageThread("follow", self._follow, 1 if live else 2)

    def __enter__(self) -> Pipeline:
        cv2 = require("cv2", "opencv")
        self._cv2_threads = cv2.getNumThreads()
        cv2.setNumThreads(_opencv_threads(self.switch.current()[0]))
        self.capture.start()
        for thread in self._threads():
            thread.start()
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

    @property
    def finished(self) -> bool:
        """The source has ended and every result was taken."""
        return self._following.finished

    def poll(self, timeout_s: float) -> Result | None:
        """The next result, or None when none came in time; then `finished` says whether more
        will. Raises what went wrong in capture or detection.
        """
        result = self._following.poll(timeout_s)
        if result is not None:
            self.results += 1
            self._shown = result.tracks
            self.timing.finished(time.monotonic_ns())
        return result

    def pause(self, paused: bool) -> None:
        """Frames that pass while nobody takes results do not count as dropped."""
        self.capture.count_drops(not paused)

    def leaving(self) -> tuple[TrackChange, ...]:
        """At the end of a run, the tracks of the last result leave. The tracker itself is some
        frames ahead of it.
        """
        shown, self._shown = self._shown, ()
        return tuple(TrackChange("leave", track) for track in shown)

    def close(self) -> None:
        """Stop all threads and wait for detection to finish its frame."""
        for thread in self._threads():
            thread.stop()
        self.capture.close()
        for thread in self._threads():
            thread.join()
        if self._cv2_threads:
            require("cv2", "opencv").setNumThreads(self._cv2_threads)
            self._cv2_threads = 0

    def _threads(self) -> list[StageThread[_Ready] | StageThread[_Answered] | StageThread[Result]]:
        threads = (self._preparing, self._inferring, self._following)
        return [thread for thread in threads if thread is not None]

    def _prepare(self) -> _Ready | None:
        frame = self.capture.next()
        if frame is None:
            return None
        detector, version = self.switch.current()
        if self._stages is None or self._version != version:
            self._stages, self._version = DetectorStages(detector), version
            require("cv2", "opencv").setNumThreads(_opencv_threads(detector))
        stages = self._stages
        return _Ready(frame, stages, stages.prepare(frame.image, self.timing.add))

    def _infer(self) -> _Answered | None:
        ready = self._prepare() if self._preparing is None else self._preparing.get()
        if ready is None:
            return None
        answer = ready.stages.infer(ready.prepared, self.timing.add)
        return _Answered(ready.frame, ready.stages, answer)

    def _follow(self) -> Result | None:
        answered = self._infer() if self._inferring is None else self._inferring.get()
        if answered is None:
            return None
        frame, stages = answered.frame, answered.stages
        if stages is not self._tracked_for:
            self._take(stages)
        detections = _in_file(stages.find(answered.answer, frame.image, self.timing.add), frame)
        began = time.perf_counter_ns()
        tracks, changes = self._tracker.update(
            detections.xyxy, detections.scores, frame.seconds, stages.labels(detections)
        )
        finished_ns = time.monotonic_ns()
        self.timing.add("track", time.perf_counter_ns() - began)
        if self.capture.source.live:  # a file's frames wait in the queues, which means nothing
            self.timing.add("latency", finished_ns - frame.captured_ns)
        evidence = None
        if self.explain:
            began = time.perf_counter_ns()
            if self._explainer is None:
                self._explainer = Explainer(stages.detector)
            inside = answered.answer if isinstance(answered.answer, RawOutputs) else None
            evidence = self._explainer.evidence(frame.image, inside)
            self.timing.add("explain", time.perf_counter_ns() - began)
        certain = detections.at_least(self._tracker.settings.begin_score)
        return Result(frame, certain, tracks, changes, finished_ns, evidence)

    def _take(self, stages: DetectorStages) -> None:
        """From now on another detector looks, with thresholds of its own."""
        self._tracked_for, self._explainer = stages, None
        self.timing.forget()
        settings = stages.tracking(self.tracking)
        single = not self.capture.source.continuous
        self._tracker.settings = one_by_one(settings) if single else settings


def _opencv_threads(detector: DetectorLike) -> int:
    """One, as several cost more for single images, but those of a network that OpenCV runs."""
    session = getattr(detector, "session", None)
    return getattr(session, "process_threads", None) or 1


def _in_file(detections: Detections, frame: Frame) -> Detections:
    """Boxes in pixels of the image as it is in its file, where it was decoded smaller."""
    if frame.whole is None:
        return detections
    (height, width), (rows, columns) = frame.whole, frame.image.shape[:2]
    by = np.asarray([width / columns, height / rows] * 2, np.float32)
    return Detections(detections.xyxy * by, detections.scores, detections.class_ids)
