"""One live run: frames come in, are shown and kept, and keys change what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.registry import require
from edgecnn.vision.detectors.detector import Detector
from edgecnn.vision.detectors.second_look import SecondLook
from edgecnn.vision.detectors.size_choice import choose_size
from edgecnn.vision.evidence.drawing import lay_heat_over, with_evidence
from edgecnn.vision.live.feed import EventFeed
from edgecnn.vision.live.models import DetectorChoices
from edgecnn.vision.live.notices import Notices
from edgecnn.vision.live.outputs import LiveOutputs
from edgecnn.vision.live.pace import FramePace
from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.live.summary import RunSummary
from edgecnn.vision.outputs.window import HELP
from edgecnn.vision.overlay import StatusPanel, draw_hud, draw_tracks
from edgecnn.vision.pipeline import DetectorSwitch, Pipeline, Result
from edgecnn.vision.pipeline.detecting import precision_of, warm_up
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.tracking import SIGN

HELP_SHOWN_S = 6.0


class LiveRun:
    """One run. `run` returns when the source ends, `frames` are reached or someone quits.

    Whatever ends it (an exception, Ctrl-C), the video is finished and the events are complete.
    """

    def __init__(self, settings: LiveSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._closing = ExitStack()
        self._notices = Notices(say)
        self._models = DetectorChoices(settings)
        self._pace = FramePace()
        self._outputs: LiveOutputs | None = None
        self._feed: EventFeed | None = None
        self._pipeline: Pipeline | None = None
        self._began = time.monotonic()
        self._frames = 0
        self._paused = False
        self._last: Result | None = None
        self._canvas: ImageArray | None = None
        self._not_saved: list[str] = []

    def run(self) -> RunSummary:
        """Open everything, run, and close everything."""
        with self._closing:
            self._closing.callback(self._report_outputs)  # after all: the end may not have fitted
            outputs, pipeline = self._open()
            self._began = time.monotonic()
            with pipeline:
                self._loop(outputs, pipeline)
        return self.summary()

    def summary(self) -> RunSummary:
        """How it went so far; complete when `run` has returned or raised."""
        pipeline = self._pipeline
        return RunSummary(
            self._frames,
            time.monotonic() - self._began,
            self._feed.appeared if self._feed else 0,
            pipeline.capture.drops if pipeline else 0,
            pipeline.capture.reconnects if pipeline else 0,
            pipeline.capture.unreadable if pipeline else 0,
            pipeline.timing.stages() if pipeline else {},
            self._notices.reported,
            tuple(self._lost()),
            tuple(self._notes()),
            "sign" if self._only_signs() else "object",
        )

    def _lost(self) -> Iterator[str]:
        if self._pipeline is not None and self._pipeline.capture.cut_off:
            yield self._pipeline.capture.cut_off
        if self._outputs is not None:
            yield from self._outputs.troubles()
        yield from self._not_saved

    def _notes(self) -> Iterator[str]:
        if self._pipeline is not None and self._pipeline.capture.left_out:
            yield f"unreadable: {self._pipeline.capture.left_out}"
        if self._outputs is not None and self._outputs.note:
            yield self._outputs.note

    def _only_signs(self) -> bool:
        if self._pipeline is None:
            return True
        detector, _ = self._pipeline.switch.current()
        return not isinstance(detector, Detector | SecondLook) or detector.class_names == (SIGN,)

    def _open(self) -> tuple[LiveOutputs, Pipeline]:
        """What can fail at once comes first: nobody waits for a model to hear of a typo."""
        settings, models = self._settings, self._models
        self._outputs = outputs = LiveOutputs(settings, self._closing)
        announce = self._notices.say if outputs.window is None else None
        self._feed = EventFeed(outputs.events, announce, leaving=settings.source.continuous)
        models.size, message = choose_size(
            settings.input_size,
            settings.source,
            partial(models.load_at, settings.choice),
            settings.patience,
        )
        if message:
            self._notices.say(message)
        detector = models.load(settings.choice)
        warm_up(detector)
        if outputs.server is not None:
            self._notices.say(f"watch at {outputs.server.url} (Ctrl-C ends)")
        switch = DetectorSwitch(detector, settings.choice, models.load)
        self._pipeline = Pipeline(
            settings.source,
            switch,
            explain=settings.explain,
            patience=settings.patience,
            opener=models.opener(detector),
        )
        self._closing.callback(self._finish)
        return outputs, self._pipeline

    def _loop(self, outputs: LiveOutputs, pipeline: Pipeline) -> None:
        limit = self._settings.frames
        step = False
        while limit is None or self._frames < limit:
            command = self._command(outputs, pipeline)
            if command == "quit":
                return
            step = step or command == "step"
            if self._paused and not step:
                if outputs.window is None:
                    time.sleep(0.02)
                continue
            result = pipeline.poll(0.02 if outputs.window is not None else 0.1)
            if pipeline.finished:
                return
            self._report_troubles(pipeline)
            if result is not None:
                step = False
                self._take(outputs, pipeline, result)
            elif pipeline.capture.trouble and self._last is not None:
                self._show(outputs, pipeline, self._last)  # the frozen image says why it is frozen
                time.sleep(0.1)

    def _take(self, outputs: LiveOutputs, pipeline: Pipeline, result: Result) -> None:
        self._last = result
        if self._feed is not None:
            self._feed.add(result.changes, result.frame)
        if outputs.show_frames:
            if outputs.watched and not self._settings.source.live:
                self._pace.wait(result.frame.seconds)  # a live source sets the pace itself
            canvas = self._show(outputs, pipeline, result)
            if outputs.recorder is not None:
                outputs.recorder.write(canvas, result.frame.seconds)
        self._frames += 1  # shown and recorded: Ctrl-C in between leaves the frame in neither

    def _show(self, outputs: LiveOutputs, pipeline: Pipeline, result: Result) -> ImageArray:
        began = time.perf_counter_ns()
        image = result.frame.image
        evidence = result.evidence
        canvas = image.copy() if evidence is None else lay_heat_over(image, evidence)
        hud = self._hud(outputs, pipeline)
        draw_hud(canvas, hud)
        draw_tracks(canvas, result.tracks)  # on top: no panel hides a sign
        if evidence is not None:
            canvas = with_evidence(canvas, image, evidence)
        self._canvas = canvas
        outputs.show(canvas, self._state(hud, result))
        pipeline.timing.add("draw", time.perf_counter_ns() - began)
        return canvas

    def _hud(self, outputs: LiveOutputs, pipeline: Pipeline) -> StatusPanel:
        detector, _ = pipeline.switch.current()
        since = time.monotonic() - self._began
        helping = outputs.window is not None and since < HELP_SHOWN_S
        return StatusPanel(
            fps=pipeline.timing.fps(time.monotonic_ns()),
            model=Path(pipeline.switch.choice.model).name,
            runtime=pipeline.switch.choice.runtime,
            precision=precision_of(detector),
            drops=pipeline.capture.drops,
            stages=pipeline.timing.stages(),
            recording=outputs.recording,
            paused=self._paused,
            notices=(pipeline.capture.trouble, self._notices.current, HELP if helping else ""),
        )

    def _state(self, hud: StatusPanel, result: Result) -> dict[str, Any]:
        """What the page in a browser shows besides the image."""
        stages = {
            stage: {"p50_ms": time.p50_ms, "p95_ms": time.p95_ms}
            for stage, time in hud.stages.items()
        }
        return {
            "fps": hud.fps,
            "model": hud.model,
            "runtime": hud.runtime,
            "precision": hud.precision,
            "drops": hud.drops,
            "paused": hud.paused,
            "signs": sum(track.seen for track in result.tracks),
            "stages": stages,
            "events": list(self._feed.recent) if self._feed is not None else [],
            "notice": next((notice for notice in hud.notices if notice), ""),
        }

    def _command(self, outputs: LiveOutputs, pipeline: Pipeline) -> str:
        command = outputs.command(15 if self._paused else 1)
        if command == "pause":
            self._paused = not self._paused
            self._pace.restart()
            pipeline.pause(self._paused)
        elif command == "explain":
            pipeline.explain = not pipeline.explain
        elif command == "save":
            self._save()
        elif command in ("runtime", "model"):
            notice = self._models.switch(pipeline, command)
            if notice:
                self._notices.notify(notice)
        if command and command != "step" and self._last is not None:
            self._show(outputs, pipeline, self._last)
        return command

    def _save(self) -> None:
        if self._canvas is None:
            return
        name = time.strftime("edgecnn-%Y%m%d-%H%M%S") + f"-{self._frames}.png"
        cv2 = require("cv2", "opencv")
        _, data = cv2.imencode(".png", self._canvas)
        try:
            with atomic_path(self._settings.saved / name) as path:
                path.write_bytes(data.tobytes())
        except (InputError, OSError, ValueError) as error:
            self._notices.notify(f"not saved: {error}")
            self._not_saved.append(f"{name} was not saved: {error}")
        else:
            self._notices.notify(f"saved {name}")

    def _report_troubles(self, pipeline: Pipeline) -> None:
        """Each trouble once, as a line; what the switch says goes into the image as well."""
        if message := pipeline.switch.take_message():
            self._notices.notify(message)
        self._notices.report(pipeline.capture.trouble)
        self._report_outputs()

    def _report_outputs(self) -> None:
        for trouble in self._outputs.troubles() if self._outputs is not None else ():
            self._notices.report(trouble)

    def _finish(self) -> None:
        """Objects that are in view when the run ends leave with it."""
        if self._pipeline is not None and self._feed is not None:
            self._feed.add(self._pipeline.leaving(), None)
