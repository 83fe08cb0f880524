"""The detector at work, and another one that takes its place while the camera runs."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_names
from edgecnn.detection.detections import Detections
from edgecnn.errors import EdgeCNNError
from edgecnn.preprocessing import ImagePlacement
from edgecnn.vision.detectors.detector import Detector
from edgecnn.vision.detectors.second_look import SecondLook
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.tracking import TrackerSettings

KEEP_SHARE = 0.5
"""A box keeps a track alive from this share of the detector's threshold on."""


class DetectorLike(Protocol):
    """Anything that finds boxes in a BGR image (h, w, 3)."""

    def __call__(self, image_bgr: ImageArray, /) -> Detections: ...


@dataclass(frozen=True)
class RawOutputs:
    """What went through the network: where the image lay in its input, and its outputs."""

    place: ImagePlacement
    outputs: list[npt.NDArray[Any]]


@dataclass(frozen=True)
class PreparedImage:
    """An image on its way into the network; `tensor` is None for a detector that does not
    let its stages be run one by one.
    """

    image: ImageArray
    tensor: npt.NDArray[Any] | None
    place: ImagePlacement | None


class DetectorStages:
    """One detector at work: its stages apart and timed, weak boxes kept for the tracker.

    `threshold` is the score from which the detector calls a box found, None for one that does
    not say. Boxes come from half of it on.
    """

    def __init__(self, detector: DetectorLike) -> None:
        self.threshold: float | None = None
        self.detector = detector
        if isinstance(detector, Detector | SecondLook):
            self.threshold = detector.min_score
            self.detector = copy.copy(detector)  # the caller's keeps its threshold
            self.detector.min_score = detector.min_score * KEEP_SHARE

    def prepare(self, image: ImageArray, timed: Callable[[str, int], None]) -> PreparedImage:
        """What can be done while the network is busy with the frame before."""
        if not isinstance(self.detector, Detector):
            return PreparedImage(image, None, None)
        began = time.perf_counter_ns()
        tensor, place = self.detector.prepare(image)
        timed("prepare", time.perf_counter_ns() - began)
        return PreparedImage(image, tensor, place)

    def infer(
        self, prepared: PreparedImage, timed: Callable[[str, int], None]
    ) -> RawOutputs | Detections:
        """The network itself; a detector whose stages are hidden says at once what it found."""
        detector = self.detector
        began = time.perf_counter_ns()
        if not isinstance(detector, Detector) or prepared.tensor is None or not prepared.place:
            detections = detector(prepared.image)
            timed("detect", time.perf_counter_ns() - began)
            return detections
        outputs = detector.infer(prepared.tensor)
        timed("infer", time.perf_counter_ns() - began)
        return RawOutputs(prepared.place, outputs)

    def find(
        self, answer: RawOutputs | Detections, image: ImageArray, timed: Callable[[str, int], None]
    ) -> Detections:
        """Boxes, weak ones included, best first."""
        if isinstance(answer, Detections):
            return answer
        assert isinstance(self.detector, Detector), "only a Detector shows its outputs"
        began = time.perf_counter_ns()
        detections = self.detector.finish(answer.outputs, answer.place, image.shape)
        timed("boxes", time.perf_counter_ns() - began)
        return detections

    def tracking(self, settings: TrackerSettings) -> TrackerSettings:
        """With the thresholds of this detector, where it says one."""
        if self.threshold is None:
            return settings
        keep = self.threshold * KEEP_SHARE
        return replace(settings, begin_score=self.threshold, keep_score=keep)

    def labels(self, detections: Detections) -> list[str] | None:
        """What the class of each box is called; None for a detector that does not say it."""
        detector = self.detector
        if not isinstance(detector, Detector | SecondLook):
            return None
        return [detector.name_of(int(class_id)) for class_id in detections.class_ids]


@dataclass(frozen=True)
class DetectorSpec:
    """What runs: a model (a name or a file) in a runtime ("litert:cpu")."""

    model: str
    runtime: str

    def __str__(self) -> str:
        return f"{self.model} on {self.runtime}"


Loader = Callable[[DetectorSpec], DetectorLike]


class DetectorSwitch:
    """Holds the detector in use. Another is loaded in the background and put in when it is ready.

    A choice that cannot be loaded leaves everything as it was, and `message` says why.
    """

    def __init__(
        self, detector: DetectorLike, choice: DetectorSpec, loader: Loader | None = None
    ) -> None:
        self.choice = choice
        self.message = ""
        self._detector = detector
        self._loader = loader
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._changes = 0

    def current(self) -> tuple[DetectorLike, int]:
        """The detector to use now, and how often it was changed."""
        with self._lock:
            return self._detector, self._changes

    def request(self, choice: DetectorSpec) -> bool:
        """Load `choice` in the background; False while another is still being loaded."""
        if self._loader is None or (self._loading is not None and self._loading.is_alive()):
            return False
        self._say(f"loading {choice} …")
        self._loading = threading.Thread(
            target=self._load, args=(self._loader, choice), name="load", daemon=True
        )
        self._loading.start()
        return True

    def take_message(self) -> str:
        """The message, once: empty until there is another, which the loading thread may write at
        any time.
        """
        with self._lock:
            message, self.message = self.message, ""
        return message

    def wait(self, timeout_s: float) -> None:
        """Wait until nothing is being loaded."""
        if self._loading is not None:
            self._loading.join(timeout_s)

    def _load(self, loader: Loader, choice: DetectorSpec) -> None:
        try:
            detector = warm_up(loader(choice))
        except EdgeCNNError as error:
            self._say(f"{choice}: {error.message}")
            return
        except BaseException as error:
            self._say(f"{choice}: {type(error).__name__}")
            raise
        with self._lock:
            self._detector, self.choice = detector, choice
            self._changes += 1
        self._say(f"now {choice}")

    def _say(self, message: str) -> None:
        with self._lock:
            self.message = message


def warm_up(detector: DetectorLike) -> DetectorLike:
    """Infer once on black: the first inference is slow, and a model that is not a detector says
    so now (InputError) rather than when the camera runs.
    """
    detector(np.zeros((64, 64, 3), np.uint8))
    return detector


def precision_of(detector: DetectorLike) -> str:
    """What a detector computes in ("int8", "float32"), empty where it is unknown."""
    if not isinstance(detector, Detector | SecondLook):
        return ""
    return detector.session.effective.precision


__getattr__ = old_names(__name__, {"Choice": "DetectorSpec"})
