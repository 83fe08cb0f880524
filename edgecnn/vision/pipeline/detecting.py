"""The detector at work, and another one that takes its place while the camera runs."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgeCNNError
from edgecnn.preprocessing import Placement
from edgecnn.vision.detections import Detections
from edgecnn.vision.detector import Detector
from edgecnn.vision.frames import Picture

KEEP_SHARE = 0.5
"""A box keeps a track alive from this share of the detector's threshold on."""


class Detects(Protocol):
    """Anything that finds boxes in a BGR picture (h, w, 3)."""

    def __call__(self, image_bgr: Picture, /) -> Detections: ...


@dataclass(frozen=True)
class Inside:
    """What went through the network: where the picture lay in its input, and its outputs."""

    place: Placement
    outputs: list[npt.NDArray[Any]]


class Look:
    """One detector at work: its stages timed, weak boxes kept for the tracker's hysteresis.

    `threshold` is the score from which the detector calls a box found, None for one that does
    not say. Boxes come from half of it on.
    """

    def __init__(self, detector: Detects) -> None:
        self.threshold: float | None = None
        self._detector = detector
        if isinstance(detector, Detector):
            self.threshold = detector.min_score
            self._detector = copy.copy(detector)  # the caller's keeps its threshold
            self._detector.min_score = detector.min_score * KEEP_SHARE

    def __call__(
        self, image: Picture, timed: Callable[[str, int], None]
    ) -> tuple[Detections, Inside | None]:
        """Boxes in `image`, weak ones included."""
        began = time.perf_counter_ns()
        detector = self._detector
        if not isinstance(detector, Detector):
            found = detector(image)
            timed("detect", time.perf_counter_ns() - began)
            return found, None
        tensor, place = detector.prepare(image)
        prepared = time.perf_counter_ns()
        outputs = detector.infer(tensor)
        inferred = time.perf_counter_ns()
        found = detector.finish(outputs, place, image.shape)
        finished = time.perf_counter_ns()
        timed("prepare", prepared - began)
        timed("infer", inferred - prepared)
        timed("boxes", finished - inferred)
        timed("detect", finished - began)
        return found, Inside(place, outputs)


@dataclass(frozen=True)
class Choice:
    """What runs: a model (a name or a file) in a runtime ("litert:cpu")."""

    model: str
    runtime: str

    def __str__(self) -> str:
        return f"{self.model} on {self.runtime}"


Loader = Callable[[Choice], Detects]


class Switch:
    """Holds the detector in use. Another is loaded beside it and put in when it is ready.

    A choice that cannot be loaded leaves everything as it was, and `message` says why.
    """

    def __init__(self, detector: Detects, choice: Choice, loader: Loader | None = None) -> None:
        self.choice = choice
        self.message = ""
        self._detector = detector
        self._loader = loader
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._changes = 0

    def current(self) -> tuple[Detects, int]:
        """The detector to use now, and how often it was changed."""
        with self._lock:
            return self._detector, self._changes

    def request(self, choice: Choice) -> bool:
        """Load `choice` in the background; False while another is still being loaded."""
        if self._loader is None or (self._loading is not None and self._loading.is_alive()):
            return False
        self.message = f"loading {choice} …"
        self._loading = threading.Thread(
            target=self._load, args=(self._loader, choice), name="load", daemon=True
        )
        self._loading.start()
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing is being loaded."""
        if self._loading is not None:
            self._loading.join(timeout_s)

    def _load(self, loader: Loader, choice: Choice) -> None:
        try:
            detector = ready(loader(choice))
        except EdgeCNNError as error:
            self.message = f"{choice}: {error.message}"
            return
        except BaseException as error:
            self.message = f"{choice}: {type(error).__name__}"
            raise
        with self._lock:
            self._detector, self.choice = detector, choice
            self._changes += 1
        self.message = f"now {choice}"


def ready(detector: Detects) -> Detects:
    """Infer once on black: the first inference is slow, and a model that is no detector says
    so now (InputError) rather than when the camera runs.
    """
    detector(np.zeros((64, 64, 3), np.uint8))
    return detector


def precision_of(detector: Detects) -> str:
    """What a detector computes in ("int8", "float32"), empty where it does not tell."""
    return detector.session.effective.precision if isinstance(detector, Detector) else ""
