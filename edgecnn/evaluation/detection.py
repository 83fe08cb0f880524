"""Boxes found against boxes annotated: COCO's protocol, and false alarms on empty images.

The matching and the averaging are faster-coco-eval's (a maintained, faster pycocotools with
the same numbers); the protocol is not written here a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.deprecation import old_attribute, old_names
from edgecnn.detection.detections import Boxes, ClassIds, Detections
from edgecnn.errors import InputError
from edgecnn.geometry import covered, iou
from edgecnn.preprocessing.placement import ImagePlacement
from edgecnn.registry import require

LEAST_RESAMPLES = 40
MOST_DRAWN = 1_000_000
"""Images times classes that all draws of a bootstrap together go through, about 10 s: 1,000 draws
of one class on 1,000 images, 250 of 20 classes on 200; of larger sets there are fewer."""
SEED = 20_260_101
"""Of the images that a resample holds: the same results, the same interval."""


class Annotated(Protocol):
    """An image's boxes (n, 4) xyxy and their classes (n,); `ignored` ones count neither way. Of an
    `incomplete` image an annotation was left out: a detection that meets no box may be right, and
    counts neither way (as in LVIS: A. Gupta et al., 2019).
    """

    @property
    def boxes(self) -> Boxes: ...
    @property
    def ignored(self) -> Boxes: ...
    @property
    def class_ids(self) -> ClassIds: ...
    @property
    def ignored_ids(self) -> ClassIds: ...
    @property
    def incomplete(self) -> bool: ...
    @property
    def without_objects(self) -> bool: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...


_ALL_OF_ONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class GroundTruth:
    """An `Annotated` image that is nothing else; its boxes are of class 0 unless said."""

    boxes: Boxes
    ignored: Boxes
    height: int
    width: int
    class_ids: ClassIds = field(default_factory=lambda: _ALL_OF_ONE)
    ignored_ids: ClassIds = field(default_factory=lambda: _ALL_OF_ONE)
    incomplete: bool = False

    @property
    def without_objects(self) -> bool:
        return not len(self.boxes) and not len(self.ignored) and not self.incomplete

    def __post_init__(self) -> None:
        for name, boxes in (("class_ids", self.boxes), ("ignored_ids", self.ignored)):
            if getattr(self, name) is _ALL_OF_ONE:
                object.__setattr__(self, name, np.zeros(len(boxes), np.int64))


@dataclass(frozen=True)
class DetectionScores:
    """COCO's averages (0…1), and what the threshold a detector ships with does.

    Of several classes, each has its average precision, and the averages are the means over those
    that have a box in the images: `classes` many.
    `recall_*` are at IoU 0.5 and `min_score`, by the longer side a sign has in the network's
    input: below 24 pixels, 24 to 64, above; None where there are none.
    `false_alarms_per_100` is the share of images that are known to hold no sign (`negatives` many)
    in which at least one box reaches `min_score`, times 100. The intervals are those of a
    bootstrap over images.
    """

    ap50: float
    ap50_95: float
    min_score: float
    recall: float | None
    recall_small: float | None
    recall_medium: float | None
    recall_large: float | None
    precision: float | None
    false_alarms_per_100: float | None
    images: int
    signs: int
    negatives: int
    ap50_ci95: tuple[float, float] | None = None
    ap50_95_ci95: tuple[float, float] | None = None
    classes: int = 1

    pictures = old_attribute("pictures", "images")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


SIZE_LIMITS = (24.0, 64.0)


def check_ground_truth(ground_truths: Sequence[Annotated]) -> int:
    """How many boxes there are to find. Raises InputError when there are none."""
    signs = sum(len(ground_truth.boxes) for ground_truth in ground_truths)
    if not signs:
        raise InputError("no image has a box: average precision has no meaning")
    return signs


def evaluate_detections(
    ground_truths: Sequence[Annotated],
    detections: Sequence[Detections],
    *,
    min_score: float,
    place: Callable[[int, int], ImagePlacement],
    resamples: int = 0,
    best_boxes: Sequence[Detections] | None = None,
) -> DetectionScores:
    """Score `detections`, boxes down to low scores, against `ground_truths`, image by image.

    `place` says where an image of (height, width) lies in the network's input. `best_boxes`
    are what the threshold is applied to, where that is something else: averages want a box for
    each class that it has a score for, and a detector shows it once.

    With `resamples`, the averages get 95% intervals: as many draws of all images with
    repetition (fewer for large sets of many classes), seeded (B. Efron, 1979: the percentiles of
    what the draws score).
    Raises InputError when the two do not belong together or there is nothing to find;
    MissingDependencyError without faster-coco-eval.
    """
    best_boxes = detections if best_boxes is None else best_boxes
    for results in (detections, best_boxes):
        if len(ground_truths) != len(results):
            raise InputError(f"{len(ground_truths)} annotated images, but {len(results)} results")
    signs = check_ground_truth(ground_truths)
    classes = sorted(
        {int(number) for ground_truth in ground_truths for number in ground_truth.class_ids}
    )
    averages = _coco(ground_truths, detections, classes, resamples)
    hits: list[tuple[float, bool]] = []
    wrong = 0
    alarms = negatives = 0
    for ground_truth, result in zip(ground_truths, best_boxes, strict=True):
        certain = result.at_least(min_score)
        matched, false = _match(ground_truth, certain)
        wrong += false
        placed = place(ground_truth.height, ground_truth.width)
        sizes = ground_truth.boxes[:, 2:] - ground_truth.boxes[:, :2]
        sides = (sizes * (placed.scale_x, placed.scale_y)).max(axis=1, initial=0)
        hits.extend(zip(sides.tolist(), matched, strict=True))
        if ground_truth.without_objects:
            negatives += 1
            alarms += bool(len(certain))
    right = sum(hit for _, hit in hits)
    low, high = SIZE_LIMITS
    return DetectionScores(
        ap50=averages.ap50,
        ap50_95=averages.ap50_95,
        min_score=min_score,
        recall=_share([hit for _, hit in hits]),
        recall_small=_share([hit for side, hit in hits if side < low]),
        recall_medium=_share([hit for side, hit in hits if low <= side < high]),
        recall_large=_share([hit for side, hit in hits if side >= high]),
        precision=right / (right + wrong) if right + wrong else None,
        false_alarms_per_100=100 * alarms / negatives if negatives else None,
        images=len(ground_truths),
        signs=signs,
        negatives=negatives,
        ap50_ci95=averages.ap50_ci95,
        ap50_95_ci95=averages.ap50_95_ci95,
        classes=len(classes),
    )


def drawn_averages(
    ground_truths: Sequence[Annotated], detections: Sequence[Detections], resamples: int
) -> npt.NDArray[np.float64]:
    """(resamples,): AP50-95 of as many draws of all images with repetition; NaN for a draw
    without any sign. Two models' boxes in the same images get the same draws. Raises as
    `evaluate_detections`.
    """
    check_ground_truth(ground_truths)
    classes = sorted(
        {int(number) for ground_truth in ground_truths for number in ground_truth.class_ids}
    )
    evaluation = _evaluated(ground_truths, detections, classes)
    if evaluation is None:
        return np.zeros(resamples)
    with redirect_stdout(StringIO()):
        drawn = _draws(evaluation, len(ground_truths), len(classes), resamples)[:, 1]
    return np.where(drawn < 0, np.nan, drawn)


def _share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _match(ground_truth: Annotated, detections: Detections) -> tuple[list[bool], int]:
    """(each sign found?, false boxes) at IoU 0.5, best score first, each class by itself; ignored
    boxes absorb those of their class, an incomplete image all that meet no sign.
    """
    taken = np.zeros(len(ground_truth.boxes), bool)
    false = 0
    for box, number in zip(detections.xyxy, detections.class_ids, strict=True):
        overlaps = iou(box[None], ground_truth.boxes)[0]
        overlaps[taken | (ground_truth.class_ids != number)] = 0
        ignored = ground_truth.ignored[ground_truth.ignored_ids == number]
        if len(overlaps) and overlaps.max() >= 0.5:
            taken[int(overlaps.argmax())] = True
        elif not ground_truth.incomplete and not (covered(box[None], ignored) >= 0.5).any():
            false += 1
    return taken.tolist(), false


@dataclass(frozen=True)
class _Averages:
    ap50: float = 0.0
    ap50_95: float = 0.0
    ap50_ci95: tuple[float, float] | None = None
    ap50_95_ci95: tuple[float, float] | None = None


def _coco(
    ground_truths: Sequence[Annotated],
    detections: Sequence[Detections],
    classes: Sequence[int],
    resamples: int,
) -> _Averages:
    """COCO's averages over boxes of every size, at most 100 per image and class."""
    evaluation = _evaluated(ground_truths, detections, classes)
    if evaluation is None:
        return _Averages()
    ap50, ap50_95 = _averages(evaluation)
    if not resamples:
        return _Averages(ap50, ap50_95)
    most = max(LEAST_RESAMPLES, MOST_DRAWN // (len(ground_truths) * len(classes)))
    with redirect_stdout(StringIO()):
        intervals = _bootstrap(evaluation, len(ground_truths), len(classes), min(resamples, most))
    return _Averages(ap50, ap50_95, *intervals)


def _evaluated(
    ground_truths: Sequence[Annotated], detections: Sequence[Detections], classes: Sequence[int]
) -> Any | None:
    """The library's evaluation, matched and accumulated; None where no box was found."""
    library: Any = require("faster_coco_eval", "detect")
    results = list(_results(detections, set(classes)))
    if not results:
        return None
    with redirect_stdout(StringIO()):  # the library prints its progress
        truth_set = library.COCO(
            {
                "images": [
                    {"id": number, "height": ground_truth.height, "width": ground_truth.width}
                    for number, ground_truth in enumerate(ground_truths, start=1)
                ],
                "annotations": list(_annotations(ground_truths, set(classes))),
                "categories": [{"id": number, "name": str(number)} for number in classes],
            }
        )
        evaluation = library.COCOeval_faster(
            truth_set, truth_set.loadRes(results), "bbox", separate_eval=True
        )
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = evaluation.params.areaRngLbl[:1]
        evaluation.params.maxDets = evaluation.params.maxDets[-1:]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _annotations(ground_truths: Sequence[Annotated], classes: set[int]) -> Iterator[dict[str, Any]]:
    number = 0
    every = np.asarray(sorted(classes), np.int64)
    for image, ground_truth in enumerate(ground_truths, start=1):
        groups = [
            (ground_truth.boxes, ground_truth.class_ids, 0),
            (ground_truth.ignored, ground_truth.ignored_ids, 1),
        ]
        if ground_truth.incomplete:
            whole = np.asarray(
                [(0, 0, ground_truth.width, ground_truth.height)] * len(every), np.float32
            )
            groups.append((whole, every, 1))
        for boxes, ids, crowd in groups:
            for box, class_id in zip(boxes, ids.tolist(), strict=True):
                if class_id not in classes:
                    continue
                number += 1
                x, y, w, h = _xywh(box)
                yield {
                    "id": number, "image_id": image, "category_id": class_id,
                    "bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd,
                }  # fmt: skip


def _results(detections: Sequence[Detections], classes: set[int]) -> Iterator[dict[str, Any]]:
    for image, result in enumerate(detections, start=1):
        for (box, score), class_id in zip(result, result.class_ids.tolist(), strict=True):
            if class_id in classes:
                yield {
                    "image_id": image, "category_id": class_id, "bbox": list(_xywh(box)),
                    "score": float(score),
                }  # fmt: skip


def _averages(evaluation: Any) -> tuple[float, float]:
    """(AP50, AP50-95) of what was accumulated, the mean over the classes that have a box; −1
    without any, as COCO has it.
    """
    precision = evaluation.eval["precision"]  # (thresholds, recalls, classes, sizes, limits)
    with_boxes = (precision > -1).all(axis=(0, 1, 3, 4))
    if not with_boxes.any():
        return -1.0, -1.0
    precision = precision[:, :, with_boxes]
    return float(precision[0].mean()), float(precision.mean())


def _bootstrap(
    evaluation: Any, images: int, classes: int, resamples: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95% intervals of (AP50, AP50-95)."""
    scores = _draws(evaluation, images, classes, resamples)
    scores = scores[scores[:, 0] >= 0]  # a draw without any sign has no precision
    low, high = np.quantile(scores, (0.025, 0.975), axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _draws(evaluation: Any, images: int, classes: int, resamples: int) -> npt.NDArray[np.float64]:
    """(resamples, 2): AP50 and AP50-95 of each draw. Boxes are matched within an image, so each
    is matched once, and only what the library accumulates over is resampled.
    """
    rng = np.random.default_rng(SEED)
    # One range of sizes: for each class in turn, one per image. The library has no public name.
    matched = evaluation._evalImgs_cpp  # noqa: SLF001
    starts = range(0, classes * images, images)
    drawn = []
    for _ in range(resamples):
        chosen = rng.integers(0, images, images).tolist()
        evaluation._evalImgs_cpp = [  # noqa: SLF001
            matched[start + index] for start in starts for index in chosen
        ]
        evaluation.accumulate()
        drawn.append(_averages(evaluation))
    return np.asarray(drawn)


def _xywh(box: Boxes) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right - left, bottom - top


__getattr__ = old_names(__name__, {"Truth": "GroundTruth"})
