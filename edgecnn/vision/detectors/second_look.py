"""Zoom in where a detector is uncertain about a small object.

A large input finds far signs and costs its square. Most of a frame holds nothing that looks like a
sign from afar, though: so a frame is looked at as a whole in a small input, and what may be a small
sign there is cut out of the frame in its own pixels and looked at again, in a smaller input still
(`benchmarks/second_look.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.detection.detections import Detections, joined
from edgecnn.detection.nms import suppress_by_class
from edgecnn.errors import InputError
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.runtimes.base import Session
from edgecnn.vision.detectors.detector import Detector, load_detector
from edgecnn.vision.detectors.thresholds import SECOND_LOOK
from edgecnn.vision.sources.frames import ImageArray

DOUBT = 0.1
"""Score from which something may be a sign."""
SMALL_PX = 32.0
"""Longer side in the network's input up to which a second look can know more."""
MOST_WINDOWS = 2
NEARER = 2.5
"""How many times as large things are at the second look, as far as the frame has the pixels."""
LEAST_NEARER = 1.25
EDGE = 1.0
"""Pixels within which a box at the edge of a window counts as cut."""
DISAGREEMENT = 0.25
"""Of a box's longer side: so far apart two looks may see an edge of it."""
WINDOW = 256
"""Side of the second input: at 512 the whole costs four times as much."""

Boxes = npt.NDArray[np.float32]


@dataclass
class SecondLook:
    """A detector made of two of one network: `first` sees the whole frame, `closer` windows of it.

    Called with a frame as `Detector` is. Boxes from `min_score` on; what the first look is sure
    of stays where no window shows it.
    """

    first: Detector
    closer: Detector
    min_score: float = -1.0

    def __post_init__(self) -> None:
        if self.first.class_names != self.closer.class_names:
            raise InputError("a second look needs the same detector at another input size")
        if self.min_score < 0:
            self.min_score = self.first.min_score
        self.looked = 0
        """Windows that were looked at so far."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, empty where nobody names them."""
        return tuple(self.first.class_names)

    @property
    def preprocessing(self) -> ImagePreprocessing:
        """What a whole frame goes through."""
        return self.first.preprocessing

    @property
    def session(self) -> Session:
        """What the whole frame runs in."""
        return self.first.session

    def name_of(self, class_id: int) -> str:
        """What a class is called."""
        return self.first.name_of(class_id)

    def __call__(self, image_bgr: ImageArray) -> Detections:
        detections = _at(self.first, image_bgr, min(DOUBT, self.min_score))
        height, width = image_bgr.shape[:2]
        windows = self._windows(detections, height, width)
        if not windows:
            return detections.at_least(self.min_score)
        found = []
        for window in windows:
            self.looked += 1
            near = self._near(image_bgr, window)
            left, top, right, bottom = window
            whole = _whole(near.xyxy, right - left, bottom - top, (left, top), (width, height))
            moved = near.xyxy + np.asarray((left, top) * 2, np.float32)
            found.append(replace(near, xyxy=moved).where(whole))
        sure = detections.at_least(self.min_score)
        rest = sure.where(
            ~_inside_windows(
                sure.xyxy, windows, self._small(sure.xyxy, height, width), (width, height)
            )
        )
        return suppress_by_class(joined([rest, *found]), max_iou=0.5)

    def run_worst_case(self, image_bgr: ImageArray) -> None:
        """Do the most that an image of this size may take: a look at the whole, and as many windows
        as there can be.
        """
        height, width = image_bgr.shape[:2]
        _at(self.first, image_bgr, min(DOUBT, self.min_score))
        corners = np.asarray([(0, 0, 1, 1), (width - 1, height - 1, width, height)], np.float32)
        for window in self._windows(Detections(corners, np.ones(2, np.float32)), height, width):
            self._near(image_bgr, window)

    def _near(self, image_bgr: ImageArray, window: tuple[int, ...]) -> Detections:
        """What is in a window, in pixels of it."""
        left, top, right, bottom = window
        crop = np.ascontiguousarray(image_bgr[top:bottom, left:right])
        return _at(self.closer, crop, self.min_score)

    def _small(self, boxes: Boxes, height: int, width: int) -> npt.NDArray[np.bool_]:
        scale = self.first.preprocessing.place(height, width).height / height
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
        return np.asarray(sides * scale <= SMALL_PX)

    def _windows(self, detections: Detections, height: int, width: int) -> list[tuple[int, ...]]:
        """Windows (left, top, right, bottom) around the small boxes, the surest first."""
        scale = self.first.preprocessing.place(height, width).height / height
        nearer = min(NEARER, 1 / scale)
        if nearer < LEAST_NEARER:
            return []
        rows, columns = self.closer.preprocessing.shape[:2]
        high = min(height, round(rows / (scale * nearer)))
        wide = min(width, round(columns / (scale * nearer)))
        waiting = detections.xyxy[self._small(detections.xyxy, height, width)]
        windows: list[tuple[int, ...]] = []
        while len(waiting) and len(windows) < MOST_WINDOWS:
            middle = (waiting[0, :2] + waiting[0, 2:]) / 2
            left = int(np.clip(middle[0] - wide / 2, 0, width - wide))
            top = int(np.clip(middle[1] - high / 2, 0, height - high))
            windows.append((left, top, left + wide, top + high))
            rest = waiting[1:]
            outside = (rest[:, :2] < (left, top)).any(axis=1)
            outside |= (rest[:, 2:] > (left + wide, top + high)).any(axis=1)
            waiting = rest[outside]
        return windows


def load_second_look(
    model: str | Path = "stop_sign_small",
    *,
    input_size: tuple[int, int] | None = None,
    min_score: float | None = None,
    **options: Any,
) -> SecondLook:
    """Load a detector for the whole frame and for windows of it; `options` are `load_detector`'s.

    Without `min_score` the file's own for a second look holds, or else that of the input.

    Raises as `load_detector`, and InputError for a model that has one input size alone.
    """
    first = load_detector(model, input_size=input_size, min_score=min_score, **options)
    closer = load_detector(model, input_size=(WINDOW, WINDOW), min_score=min_score, **options)
    return with_closer(first, closer, min_score=min_score)


def with_closer(first: Detector, closer: Detector, *, min_score: float | None) -> SecondLook:
    """A second look made of two detectors of one file. Without `min_score` the file's own for a
    second look holds, or else that of the input.
    """
    if min_score is None:
        min_score = first.artifact.manifest.metrics.get(SECOND_LOOK)
    return SecondLook(first, closer, first.min_score if min_score is None else min_score)


def _at(detector: Detector, image: ImageArray, min_score: float) -> Detections:
    tensor, place = detector.prepare(image)
    return detector.finish(detector.infer(tensor), place, image.shape, min_score=min_score)


def _whole(
    boxes: Boxes,
    wide: int,
    high: int,
    corner: tuple[int, int],
    frame: tuple[int, int],
    *,
    margin: npt.NDArray[np.float32] | float = EDGE,
) -> npt.NDArray[np.bool_]:
    """Boxes in a window that lie more than `margin` within its edge; the frame's own edge may cut
    them.
    """
    keep = np.ones(len(boxes), np.bool_)
    for axis, extent in enumerate((wide, high)):
        if corner[axis] > 0:
            keep &= boxes[:, axis] > margin
        if corner[axis] + extent < frame[axis]:
            keep &= boxes[:, axis + 2] < extent - margin
    return keep


def _inside_windows(
    boxes: Boxes,
    windows: list[tuple[int, ...]],
    small: npt.NDArray[np.bool_],
    frame: tuple[int, int],
) -> npt.NDArray[np.bool_]:
    """Small boxes that lie in a window as a whole: the second look decides about them.

    Near an edge it may see a box a little further out, and leave it out as cut: such a box stays,
    and where both looks find the sign, suppression keeps the surer one.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    inside_any = np.zeros(len(boxes), np.bool_)
    for left, top, right, bottom in windows:
        inside_any |= _whole(
            boxes - np.asarray((left, top) * 2, np.float32),
            right - left,
            bottom - top,
            (left, top),
            frame,
            margin=EDGE + DISAGREEMENT * sides,
        )
    return inside_any & small
