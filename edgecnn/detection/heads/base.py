"""Base class of detection heads.

A head is one file: it says by which outputs it is known, how its makers prepare images, and how
its outputs become boxes in pixels of the network's input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import adopt_old_method
from edgecnn.detection.detections import Boxes, Detections
from edgecnn.detection.nms import suppress_by_class
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

DEFAULT_MIN_SCORE = 0.4
"""Where neither a manifest nor the head names a threshold."""
MAX_CANDIDATES = 3_000
"""Boxes of one image that NMS looks at, best first."""
UNIT_SCALE = 2.0
"""Centers of a head that covers its input go up to the input's size, or up to 1: never between."""
LOGITS_BELOW = -0.5
"""Scores of a head that covers its input have values below this before the sigmoid, and none
after it, however coarsely they are quantized (0 always has a level of its own)."""


STRIDES = ((8, 16, 32), (8, 16, 32, 64))
"""Of YOLO's detectors, without and with a fourth grid."""


@dataclass(frozen=True)
class DetectorSignature:
    """What is known of a detector before it has run.

    `height` and `width` are those of its input, `outputs` the shapes of its outputs without the
    batch (None where a size is open), `names` those of the outputs. `class_names`, `strides` and
    `end_to_end` are what its metadata say. `parts` are the places of boxes, classes, scores and
    count among the outputs where the graph ends in TFLite's detection post-processing, and
    `scored_classes` is how many classes it chooses from, background included. `plain` and
    `unturned` are how the graph ends (see `formats.metadata`).
    """

    height: int
    width: int
    outputs: tuple[tuple[int | None, ...], ...]
    names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    strides: tuple[int, ...] = ()
    end_to_end: bool = False
    parts: tuple[int, ...] = ()
    scored_classes: int | None = None
    plain: bool = False
    unturned: bool = False

    @property
    def possible_strides(self) -> tuple[tuple[int, ...], ...]:
        """Those that the metadata say, then those that YOLO's detectors have."""
        return (self.strides, *STRIDES) if self.strides else STRIDES

    def cells(self, strides: Sequence[int]) -> int:
        """How many cells the grids of these strides have together."""
        return sum(-(-self.height // s) * -(-self.width // s) for s in strides)


class Head(ABC):
    """Makes boxes of a detector's outputs."""

    name: ClassVar[str]
    min_score: ClassVar[float] = DEFAULT_MIN_SCORE
    max_iou: ClassVar[float | None] = None
    """None for a head whose boxes do not overlap any more."""
    counts_exactly: ClassVar[bool] = True
    """False where outputs may hold more behind the class scores (masks, key points)."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        adopt_old_method(cls, "arranged", "ordered")

    def __init__(
        self,
        settings: Postprocessing,
        *,
        every_class: bool = False,
        wanted: Collection[int] | None = None,
    ) -> None:
        """`every_class` lets a box stand for each class that it has a score for, as averages over
        all thresholds want it; otherwise the best one counts alone. `wanted` are the ids of the
        classes that are looked for, None for all.
        """
        self.settings = settings
        self.every_class = every_class
        self.wanted = wanted

    @classmethod
    @abstractmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        """What to know for outputs that can only be this head's; None for any other."""

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:  # noqa: ARG003
        """How many classes outputs of these shapes (without the batch) have; None where the
        shapes do not say it.
        """
        return None

    @abstractmethod
    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        """How the head's makers prepare an image."""

    @abstractmethod
    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        """The outputs that the head needs, each (n, …), in one order and layout.

        Raises InputError for the outputs of another head.
        """

    @abstractmethod
    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        """Boxes in pixels of the input, best first, overlaps still in.

        `outputs` are ordered and of one image, without the batch.
        """

    def boxes(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        """Boxes in pixels of the input, best first, of ordered outputs of one image."""
        candidates = self.candidates(outputs, height, width, min_score).of_classes(self.wanted)
        stated = self.settings.max_iou
        max_iou = self.max_iou if stated is None else stated
        return candidates if max_iou is None else suppress_by_class(candidates, max_iou=max_iou)

    def check_columns(self, boxes: Array, expected: str, outputs: Sequence[Array]) -> Array:
        """`boxes` (n, boxes, 5 + classes): a box, its objectness, a score for each class.

        Raises InputError for too few columns, and for another number of classes than are named.
        """
        if boxes.shape[2] <= 5:
            raise unexpected_outputs(self.name, expected, outputs)
        self.check_classes(boxes.shape[2] - 5)
        return boxes

    def check_classes(self, count: int) -> None:
        """Raise InputError where the outputs have another number of classes than are named."""
        check_names("the outputs", self.settings, count)


def check_names(model: str, settings: Postprocessing, classes: int) -> None:
    """Raise InputError where `model`, as it is called, has another number of classes than names."""
    named = len(settings.class_names)
    if named and named != classes:
        have = "have" if model == "the outputs" else "has"
        raise InputError(
            f"{model} {have} {classes} classes for head {settings.head}, but {named} are named",
            hint="pass the names of this model's classes (--labels FILE), or another --head",
        )


def missing_names_reason(settings: Postprocessing, classes: int | None) -> str:
    """Why the classes of a detector cannot be found among others', empty where they can: it has
    one, or they have names.
    """
    if settings.class_names or classes == 1:
        return ""
    count = f"{classes} classes" if classes else "classes"
    return f"the model has {count} without names (--labels coco, or a FILE with one a line)"


def unexpected_outputs(head: str, expected: str, outputs: Sequence[Array]) -> InputError:
    """The error for outputs that a head does not have."""
    shapes = ", ".join(str(tuple(output.shape)) for output in outputs) or "none"
    return InputError(
        f"head {head} expects {expected}, received outputs: {shapes}",
        hint="name the head that the model has: --head NAME",
    )


def one_output(
    head: str, expected: str, outputs: Sequence[Array], fits: Callable[[Array], bool]
) -> Array:
    """The only output that fits. Raises InputError where none does, or several."""
    matches = [output for output in outputs if fits(output)]
    if len(matches) != 1:
        raise unexpected_outputs(head, expected, outputs)
    return matches[0]


def to_probabilities(scores: Array, *, logits: bool = False) -> Array:
    """Scores in 0…1, by a sigmoid where they are known to be logits, or seen to be (see
    `LOGITS_BELOW`).
    """
    if logits:
        return sigmoid(scores)
    lowest = scores.min(initial=0)
    if not np.isfinite(lowest):
        finite = scores[np.isfinite(scores)]
        lowest = finite.min(initial=0)
    return sigmoid(scores) if lowest < LOGITS_BELOW else scores


def sigmoid(values: Array) -> Floats:
    """1 / (1 + e^−x), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(values, np.float64))))


def select_candidates(
    scores: Array, min_score: float, *, every_class: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(cells, classes) whose score in `scores` (cells, classes) reaches `min_score`, best first,
    at most `MAX_CANDIDATES`: the best class of each cell, or each class. NaN reaches nothing.
    """
    if np.isnan(scores.min(initial=0)):
        scores = np.where(np.isnan(scores), -np.inf, scores)
    columns = scores.shape[1]
    if not every_class:
        best = scores.argmax(axis=1) if scores.size else np.zeros(len(scores), np.intp)
        scores = np.take_along_axis(scores, best[:, None], axis=1)
        columns = 1
    flat = scores.reshape(-1)
    chosen = np.flatnonzero(flat >= max(min_score, 1e-9))
    if chosen.size > MAX_CANDIDATES:
        strongest = np.argpartition(-flat[chosen], MAX_CANDIDATES)[:MAX_CANDIDATES]
        chosen = np.sort(chosen[strongest])
    chosen = chosen[np.argsort(-flat[chosen], kind="stable")]
    cells, classes = np.divmod(chosen, columns)
    return cells, classes if every_class else best[cells]


def detections(xyxy: Array, scores: Array, class_ids: Array, height: int, width: int) -> Detections:
    """Detections of the boxes that are finite; what lies far outside of the input is cut."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    reach = 4.0 * max(height, width)
    boxes = np.clip(boxes[finite], -reach, reach)
    return Detections(
        boxes.astype(np.float32),
        np.clip(np.asarray(scores)[finite], 0, 1).astype(np.float32),
        np.asarray(class_ids)[finite].astype(np.int64),
    )


def from_centers(centers: Array, sizes: Array) -> Boxes:
    """(n, 4) left, top, right, bottom of boxes by their center and size."""
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)


def with_objectness(shares: Array) -> Array:
    """(cells, classes): objectness, the first column of `shares`, times each class's score."""
    return np.asarray(shares[:, :1] * shares[:, 1:])


def in_pixels(coordinates: Array, height: int, width: int) -> Floats:
    """Coordinates (…, 4) in pixels, whether they were that or shares of the input's sides."""
    boxes = np.asarray(coordinates, np.float64)
    finite = boxes[np.isfinite(boxes)]
    if finite.size and np.abs(finite).max() <= UNIT_SCALE:
        return boxes * np.asarray([width, height, width, height], np.float64)
    return boxes


def grid(height: int, width: int, strides: Sequence[int]) -> tuple[Floats, Floats]:
    """(left top corners (cells, 2) in pixels, strides (cells, 1)) of grids, rows first."""
    corners, steps = [], []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.divmod(np.arange(rows * columns), columns)
        corners.append(np.column_stack([x, y]) * float(stride))
        steps.append(np.full((rows * columns, 1), float(stride)))
    return np.concatenate(corners), np.concatenate(steps)


def last_axis(outputs: Sequence[tuple[int | None, ...]], rank: int, others: int) -> int | None:
    """How many entries more than `others` the last axis of the only output of that rank has."""
    sizes = [shape[-1] for shape in outputs if len(shape) == rank and (shape[-1] or 0) > others]
    return None if len(sizes) != 1 or sizes[0] is None else sizes[0] - others
