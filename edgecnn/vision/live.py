"""The live demo: a source, a detector, and everything that shows or keeps what they find."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from edgecnn.errors import InputError
from edgecnn.files import atomic_path
from edgecnn.formats.kinds import by_suffix
from edgecnn.registry import RUNTIMES, require
from edgecnn.runtimes.native_log import captured_stderr
from edgecnn.vision.capture import Opener, Patience
from edgecnn.vision.detector import Detector, load_detector, shipped_models
from edgecnn.vision.events import EventLog, describe
from edgecnn.vision.explain import lay_heat_over, with_evidence
from edgecnn.vision.frames import Picture
from edgecnn.vision.input_size import Size
from edgecnn.vision.overlay import Hud, draw_hud, draw_tracks
from edgecnn.vision.pipeline import Choice, Pipeline, Result, StageTime, Switch
from edgecnn.vision.pipeline.detecting import precision_of, ready
from edgecnn.vision.readers import open_reader
from edgecnn.vision.recording import Recorder
from edgecnn.vision.second_look import NEARER, WINDOW, SecondLook
from edgecnn.vision.server import LiveServer
from edgecnn.vision.size_choice import choose_size
from edgecnn.vision.sources import Source
from edgecnn.vision.tracking import SIGN, Change
from edgecnn.vision.window import HELP, Window

HELP_SHOWN_S = 6.0
NOTICE_SHOWN_S = 5.0
EVENTS_SHOWN = 8


@dataclass(frozen=True)
class LiveSettings:
    """What to run and where its results go."""

    source: Source
    choice: Choice
    threads: int = 1
    min_score: float | None = None
    classes: tuple[str, ...] = ()
    """The ones to find, by name; all of the model's without."""
    head: str = ""
    labels: tuple[str, ...] = ()
    preprocessing: str | None = None
    shape: str = ""
    input_size: str = ""
    """See `size_choice.choose_size`."""
    second_look: bool = False
    """See `vision.second_look`."""
    frames: int | None = None
    window: bool = True
    explain: bool = False
    record: Path | None = None
    events: Path | None = None
    serve: str | None = None
    saved: Path = field(default_factory=Path)
    """The folder for pictures that are saved with a key."""
    force: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Summary:
    """How a run went."""

    frames: int
    seconds: float
    appeared: int
    drops: int
    reconnects: int
    unreadable: int
    stages: dict[str, StageTime]
    troubles: tuple[str, ...]
    lost: tuple[str, ...] = ()
    """What was asked for and not done to the end: frames of a file that breaks off, a recording
    or events that a full disk cut short, a picture that could not be saved."""
    notes: tuple[str, ...] = ()
    what: str = "sign"
    """What appeared."""

    def lines(self) -> list[str]:
        """For a person to read."""
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        what = self.what if self.appeared == 1 else f"{self.what}s"
        signs = f"{self.appeared} {what}"
        parts = [f"{self.frames} frames in {self.seconds:.1f} s ({rate:.1f} fps)", signs]
        parts.append(f"{self.drops} dropped")
        parts += [f"{self.reconnects} reconnects"] if self.reconnects else []
        parts += [f"{self.unreadable} unreadable"] if self.unreadable else []
        times = [
            f"{stage} {_milliseconds(time.p50_ms)}/{_milliseconds(time.p95_ms)}"
            for stage, time in self.stages.items()
        ]
        lines = [", ".join(parts), *self.notes]
        return [*lines, "ms p50/p95: " + ", ".join(times)] if times else lines


class Live:
    """One run. `run` returns when the source ends, `frames` are reached or someone quits.

    Whatever ends it (an exception, Ctrl-C), the film is finished and the events are complete.
    """

    def __init__(self, settings: LiveSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._closing = ExitStack()
        self._frames = 0
        self._appeared = 0
        self._paused = False
        self._canvas: Picture | None = None
        self._notice: tuple[float, str] = (0.0, "")
        self._told: set[str] = set()
        self._not_saved: list[str] = []
        self._recent: deque[dict[str, Any]] = deque(maxlen=EVENTS_SHOWN)
        self._signs = 0
        self._began = time.monotonic()
        self._due_from: float | None = None
        self._window: Window | None = None
        self._recorder: Recorder | None = None
        self._events: EventLog | None = None
        self._server: LiveServer | None = None
        self._pipeline: Pipeline | None = None
        self._last: Result | None = None
        self._tried = settings.choice
        self._size: Size | None = None

    def run(self) -> Summary:
        """Open everything, run, and close everything."""
        with self._closing:
            self._closing.callback(self._tell_sinks)  # after all: the end may not have fitted
            pipeline = self._open()
            self._began = time.monotonic()
            with pipeline:
                self._loop(pipeline)
        return self.summary()

    def summary(self) -> Summary:
        """How it went so far; complete when `run` has returned or raised."""
        pipeline = self._pipeline
        return Summary(
            self._frames,
            time.monotonic() - self._began,
            self._appeared,
            pipeline.capture.drops if pipeline else 0,
            pipeline.capture.reconnects if pipeline else 0,
            pipeline.capture.unreadable if pipeline else 0,
            pipeline.timing.stages() if pipeline else {},
            tuple(sorted(self._told)),
            tuple(self._lost()),
            tuple(self._notes()),
            "object" if self._many_classes() else "sign",
        )

    def _lost(self) -> Iterator[str]:
        if self._pipeline is not None and self._pipeline.capture.cut_off:
            yield self._pipeline.capture.cut_off
        for sink in (self._recorder, self._events):
            if sink is not None and sink.trouble:
                yield sink.trouble
        yield from self._not_saved

    def _many_classes(self) -> bool:
        if self._pipeline is None:
            return False
        detector, _ = self._pipeline.switch.current()
        if not isinstance(detector, Detector | SecondLook):
            return False
        return len(detector.class_names) > 1

    def _notes(self) -> Iterator[str]:
        if self._pipeline is not None and self._pipeline.capture.left_out:
            yield f"unreadable: {self._pipeline.capture.left_out}"
        if self._recorder is not None and self._recorder.note:
            yield self._recorder.note

    def _open(self) -> Pipeline:
        """What can fail at once comes first: nobody waits for a model to hear of a typo."""
        settings = self._settings
        if settings.events is not None:
            self._events = EventLog(settings.events, force=settings.force)
            self._closing.callback(self._events.close)
        if settings.record is not None:
            self._recorder = Recorder(settings.record, force=settings.force)
            self._closing.callback(self._recorder.close)
        if settings.serve is not None:
            self._server = LiveServer(settings.serve)
            self._closing.callback(self._server.close)
        if settings.window:
            self._window = Window("edgecnn")
            self._closing.callback(self._window.close)
        self._size, told = choose_size(
            settings.input_size, settings.source, partial(self._load_at, settings.choice)
        )
        if told:
            self._say(told)
        detector = self._load(settings.choice)
        ready(detector)
        if self._server is not None:
            self._say(f"watch at {self._server.url} (Ctrl-C ends)")
        switch = Switch(detector, settings.choice, self._load)
        self._pipeline = Pipeline(
            settings.source,
            switch,
            explain=settings.explain,
            patience=settings.patience,
            opener=self._opener(detector),
        )
        self._closing.callback(self._finish)
        return self._pipeline

    def _opener(self, detector: Detector | SecondLook) -> Opener | None:
        """For photos that nobody looks at: decoded no larger than the network needs them."""
        settings = self._settings
        shown = settings.window or settings.explain or settings.record or settings.serve
        if settings.source.kind != "pictures" or shown:
            return None
        nearer = NEARER if isinstance(detector, SecondLook) else 1.0
        rows, columns = (round(side * nearer) for side in detector.preprocessing.shape[:2])
        return partial(open_reader, enough=(rows, columns))

    def _load(self, choice: Choice) -> Detector | SecondLook:
        return self._load_at(choice, self._size)

    def _load_at(self, choice: Choice, size: Size | None) -> Detector | SecondLook:
        detector = self._load_one(choice, size)
        if not self._settings.second_look:
            return detector
        return SecondLook(detector, self._load_one(choice, (WINDOW, WINDOW)))

    def _load_one(self, choice: Choice, size: Size | None) -> Detector:
        with captured_stderr():  # LiteRT greets everybody on standard error
            return load_detector(
                choice.model,
                runtime=choice.runtime,
                threads=self._settings.threads,
                min_score=self._settings.min_score,
                input_size=size,
                **self._about(choice),
            )

    def _about(self, choice: Choice) -> dict[str, Any]:
        """What the user said about the model that the run began with; the ones that ship say all
        about themselves.
        """
        settings = self._settings
        if choice.model != settings.choice.model:
            return {}
        return {
            "classes": settings.classes,
            "head": settings.head,
            "labels": settings.labels,
            "preprocessing": settings.preprocessing,
            "shape": settings.shape,
        }

    def _loop(self, pipeline: Pipeline) -> None:
        limit = self._settings.frames
        step = False
        while limit is None or self._frames < limit:
            command = self._command(pipeline)
            if command == "quit":
                return
            step = step or command == "step"
            if self._paused and not step:
                if self._window is None:
                    time.sleep(0.02)
                continue
            result = pipeline.poll(0.02 if self._window is not None else 0.1)
            if pipeline.finished:
                return
            self._tell_troubles(pipeline)
            if result is not None:
                step = False
                self._take(pipeline, result)
            elif pipeline.capture.trouble and self._last is not None:
                self._show(pipeline, self._last)  # the frozen picture says why it is frozen
                time.sleep(0.1)

    def _take(self, pipeline: Pipeline, result: Result) -> None:
        self._frames += 1
        self._last = result
        self._signs = sum(track.seen for track in result.tracks)
        self._note(result.changes, result)
        if self._window or self._recorder or self._server:
            self._wait_until_due(result)
            canvas = self._show(pipeline, result)
            if self._recorder is not None:
                self._recorder.write(canvas, result.frame.seconds)

    def _note(self, changes: tuple[Change, ...], result: Result | None) -> None:
        frame = result.frame if result is not None else None
        if self._events is not None:
            self._events.write(changes, frame)
        for change in changes:
            event = describe(change, frame)
            self._recent.appendleft(event)
            appears = change.kind == "appear"
            self._appeared += appears
            if self._window is None and (appears or self._settings.source.continuous):
                what = f"appears ({event['score']:.2f})" if appears else "leaves"
                where = f" in {event['picture']}" if "picture" in event else ""
                name = "sign" if event["label"] == SIGN else event["label"]
                self._say(f"{event['seconds']:8.2f} s  {name} #{event['track']} {what}{where}")

    def _show(self, pipeline: Pipeline, result: Result) -> Picture:
        began = time.perf_counter_ns()
        image = result.frame.image
        evidence = result.evidence
        canvas = image.copy() if evidence is None else lay_heat_over(image, evidence)
        hud = self._hud(pipeline)
        draw_hud(canvas, hud)
        draw_tracks(canvas, result.tracks)  # on top: no panel hides a sign
        if evidence is not None:
            canvas = with_evidence(canvas, image, evidence)
        self._canvas = canvas
        if self._window is not None:
            self._window.show(canvas)
        if self._server is not None:
            self._server.publish(canvas, self._state(hud))
        pipeline.timing.add("draw", time.perf_counter_ns() - began)
        return canvas

    def _hud(self, pipeline: Pipeline) -> Hud:
        detector, _ = pipeline.switch.current()
        now = time.monotonic()
        helping = self._window is not None and now - self._began < HELP_SHOWN_S
        shown_at, notice = self._notice
        return Hud(
            fps=pipeline.timing.fps(time.monotonic_ns()),
            model=Path(pipeline.switch.choice.model).name,
            runtime=pipeline.switch.choice.runtime,
            precision=precision_of(detector),
            drops=pipeline.capture.drops,
            stages=pipeline.timing.stages(),
            recording=self._recorder is not None and not self._recorder.trouble,
            paused=self._paused,
            notices=(
                pipeline.capture.trouble,
                notice if now - shown_at < NOTICE_SHOWN_S else "",
                HELP if helping else "",
            ),
        )

    def _state(self, hud: Hud) -> dict[str, Any]:
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
            "signs": self._signs,
            "stages": stages,
            "events": list(self._recent),
            "notice": next((notice for notice in hud.notices if notice), ""),
        }

    def _command(self, pipeline: Pipeline) -> str:
        command = self._window.command(15 if self._paused else 1) if self._window else ""
        if not command and self._server is not None and not self._server.commands.empty():
            command = self._server.commands.get_nowait()
        if command == "pause":
            self._paused = not self._paused
            self._due_from = None
            pipeline.pause(self._paused)
        elif command == "explain":
            pipeline.explain = not pipeline.explain
        elif command == "save":
            self._save()
        elif command in ("runtime", "model"):
            self._switch(pipeline, command)
        if command and command != "step" and self._last is not None:
            self._show(pipeline, self._last)
        return command

    def _switch(self, pipeline: Pipeline, what: str) -> None:
        """Try the next one after the one tried last, so that one which fails is passed."""
        tried = self._tried
        if what == "runtime":
            wanted = Choice(tried.model, _next(runtimes_for(tried.model), tried.runtime))
        else:
            models = list(dict.fromkeys((self._settings.choice.model, *shipped_models())))
            wanted = Choice(_next(models, tried.model), pipeline.switch.choice.runtime)
        if wanted == pipeline.switch.choice:
            self._notify(f"there is no other {what}")
        elif pipeline.switch.request(wanted):
            self._tried = wanted

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
            self._notify(f"not saved: {error}")
            self._not_saved.append(f"{name} was not saved: {error}")
        else:
            self._notify(f"saved {name}")

    def _notify(self, notice: str) -> None:
        self._notice = (time.monotonic(), notice)

    def _tell_troubles(self, pipeline: Pipeline) -> None:
        """Each trouble once, as a line; what the switch says goes to the panel as well."""
        if pipeline.switch.message and pipeline.switch.message not in self._notice[1]:
            self._notify(pipeline.switch.message)
            pipeline.switch.message = ""
        self._tell(pipeline.capture.trouble)
        self._tell_sinks()

    def _tell_sinks(self) -> None:
        for sink in (self._recorder, self._events):
            if sink is not None:
                self._tell(sink.trouble)

    def _tell(self, trouble: str) -> None:
        if trouble and trouble not in self._told:
            self._told.add(trouble)
            self._say(trouble)
            self._notify(trouble)

    def _wait_until_due(self, result: Result) -> None:
        """Show a file at its own pace; a live source sets the pace itself."""
        if self._settings.source.live or not (self._window or self._server):
            return
        now = time.monotonic()
        if self._due_from is None:
            self._due_from = now - result.frame.seconds
        early = self._due_from + result.frame.seconds - now
        if early < -1.0:
            self._due_from = None  # slower than the file: no race to catch up
        elif early > 0:
            time.sleep(min(early, 1.0))

    def _finish(self) -> None:
        """Signs that are in view when the run ends leave with it."""
        if self._pipeline is not None:
            self._note(self._pipeline.leaving(), None)


def runtimes_for(model: str) -> list[str]:
    """Configurations that read `model` (a shipped name or a file), first devices only."""
    known = by_suffix(Path(model))
    loaded = {name: RUNTIMES.load(name) for name in RUNTIMES.names()}
    return [
        f"{name}:{runtime.devices[0]}"
        for name, runtime in loaded.items()
        if runtime.environment is None and (known is None or known.name in runtime.formats)
    ]


def _next(known: list[str], current: str) -> str:
    if current not in known:
        return known[0] if known else current
    return known[(known.index(current) + 1) % len(known)]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
