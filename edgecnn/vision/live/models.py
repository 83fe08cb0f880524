"""The detectors of a live run: the one it begins with, and those that a key switches to."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from edgecnn.formats.kinds import by_suffix
from edgecnn.registry import RUNTIMES
from edgecnn.system.native_output import captured_stderr
from edgecnn.vision.detectors.detector import Detector, load_detector, shipped_models
from edgecnn.vision.detectors.input_size import Size
from edgecnn.vision.detectors.second_look import NEARER, WINDOW, SecondLook, with_closer
from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.pipeline import DetectorSpec, Pipeline
from edgecnn.vision.sources.capture import Opener
from edgecnn.vision.sources.readers import open_reader


class DetectorChoices:
    """Loads detectors as the user asked, and finds the next runtime or model to switch to.

    `size` is the input size that was chosen for the source; None is the model's own.
    """

    def __init__(self, settings: LiveSettings) -> None:
        self.size: Size | None = None
        self._settings = settings
        self._tried = settings.choice

    def load(self, choice: DetectorSpec) -> Detector | SecondLook:
        """The detector of a choice, at `size`. Raises as `load_detector`."""
        return self.load_at(choice, self.size)

    def load_at(self, choice: DetectorSpec, size: Size | None) -> Detector | SecondLook:
        """The detector of a choice, at another size. Raises as `load_detector`."""
        detector = self._load_one(choice, size)
        if not self._settings.second_look:
            return detector
        closer = self._load_one(choice, (WINDOW, WINDOW), near_look=False)
        return with_closer(detector, closer, min_score=self._settings.min_score)

    def opener(self, detector: Detector | SecondLook) -> Opener | None:
        """For photos that nobody looks at: decoded no larger than the network needs them."""
        settings = self._settings
        looked_at = settings.window or settings.explain or settings.record or settings.serve
        if settings.source.kind != "pictures" or looked_at:
            return None
        nearer = NEARER if isinstance(detector, SecondLook) else 1.0
        rows, columns = (round(side * nearer) for side in detector.preprocessing.shape[:2])
        return partial(open_reader, enough=(rows, columns))

    def _load_one(
        self, choice: DetectorSpec, size: Size | None, *, near_look: bool = True
    ) -> Detector:
        with captured_stderr():  # LiteRT greets everybody on standard error
            return load_detector(
                choice.model,
                runtime=choice.runtime,
                threads=self._settings.threads,
                min_score=self._settings.min_score,
                input_size=size,
                near_look=near_look and self._settings.near_look,
                **self._user_facts(choice),
            )

    def switch(self, pipeline: Pipeline, what: str) -> str:
        """Switch to the next "runtime" or "model" after the one tried last, so that one which
        fails is passed. Returns a message for the user: empty, or that there is no other.
        """
        tried = self._tried
        if what == "runtime":
            wanted = DetectorSpec(tried.model, _next(runtimes_for(tried.model), tried.runtime))
        else:
            models = list(dict.fromkeys((self._settings.choice.model, *shipped_models())))
            wanted = DetectorSpec(_next(models, tried.model), pipeline.switch.choice.runtime)
        if wanted == pipeline.switch.choice:
            return f"there is no other {what}"
        if pipeline.switch.request(wanted):
            self._tried = wanted
        return ""

    def _user_facts(self, choice: DetectorSpec) -> dict[str, Any]:
        """What the user said about the model that the run began with; shipped models say all
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


def runtimes_for(model: str) -> list[str]:
    """Configurations that read `model` (a shipped name or a file), first devices only."""
    file_format = by_suffix(Path(model))
    loaded = {name: RUNTIMES.load(name) for name in RUNTIMES.names()}
    return [
        f"{name}:{runtime.devices[0]}"
        for name, runtime in loaded.items()
        if runtime.environment is None
        and (file_format is None or file_format.name in runtime.formats)
    ]


def _next(configurations: list[str], current: str) -> str:
    if current not in configurations:
        return configurations[0] if configurations else current
    return configurations[(configurations.index(current) + 1) % len(configurations)]
