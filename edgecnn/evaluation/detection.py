"""Boxes found against boxes annotated: COCO's protocol, and false alarms on empty pictures.

The matching and the averaging are faster-coco-eval's (a maintained, faster pycocotools with
the same numbers); nothing of the protocol is written anew here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.registry import require

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """A picture's boxes (n, 4) xyxy; `ignored` ones count neither way."""

    boxes: Boxes
    ignored: Boxes
    height: int
    width: int


@dataclass(frozen=True)
class Found:
    """A detector's boxes (n, 4) xyxy and scores (n,) in one picture, down to low scores."""

    boxes: Boxes
    scores: Scores


@dataclass(frozen=True)
class DetectionScores:
    """COCO's averages (0…1), and what the threshold a detector ships with does.

    `recall_*` are at IoU 0.5 and `min_score`, by the longer side a sign has once letterboxed
    to the network's input: below 24 pixels, 24 to 64, above; None where there are none.
    `false_alarms_per_100` is the share of pictures without any sign in which at least one
    box reaches `min_score`, times 100.
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
    pictures: int
    signs: int
    negatives: int

    def to_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


SIZE_LIMITS = (24.0, 64.0)


def evaluate_detections(
    truths: Sequence[Truth], found: Sequence[Found], *, min_score: float, input_side: int
) -> DetectionScores:
    """Score `found` against `truths`, picture by picture.

    Raises InputError when the two do not belong together or there is nothing to find;
    MissingDependencyError without faster-coco-eval.
    """
    if len(truths) != len(found):
        raise InputError(f"{len(truths)} annotated pictures, but {len(found)} results")
    signs = sum(len(truth.boxes) for truth in truths)
    if not signs:
        raise InputError("no picture has a box: average precision has no meaning")
    stats = _coco(truths, found)
    hits: list[tuple[float, bool]] = []
    wrong = 0
    alarms = negatives = 0
    for truth, result in zip(truths, found, strict=True):
        shown = result.boxes[result.scores >= min_score]
        matched, false = _match(truth, shown)
        wrong += false
        scale = input_side / max(truth.height, truth.width)
        sides = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(axis=1, initial=0) * scale
        hits.extend(zip(sides.tolist(), matched, strict=True))
        if not len(truth.boxes) and not len(truth.ignored):
            negatives += 1
            alarms += bool(len(shown))
    right = sum(hit for _, hit in hits)
    low, high = SIZE_LIMITS
    return DetectionScores(
        ap50=stats[1],
        ap50_95=stats[0],
        min_score=min_score,
        recall=_share([hit for _, hit in hits]),
        recall_small=_share([hit for side, hit in hits if side < low]),
        recall_medium=_share([hit for side, hit in hits if low <= side < high]),
        recall_large=_share([hit for side, hit in hits if side >= high]),
        precision=right / (right + wrong) if right + wrong else None,
        false_alarms_per_100=100 * alarms / negatives if negatives else None,
        pictures=len(truths),
        signs=signs,
        negatives=negatives,
    )


def _share(hits: list[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _match(truth: Truth, shown: Boxes) -> tuple[list[bool], int]:
    """(each sign found?, false boxes) at IoU 0.5, best score first; ignored boxes absorb."""
    taken = [False] * len(truth.boxes)
    false = 0
    for box in shown:
        overlaps = _iou(box, truth.boxes)
        overlaps[taken] = 0
        if len(overlaps) and overlaps.max() >= 0.5:
            taken[int(overlaps.argmax())] = True
        elif not (_inside(box, truth.ignored) >= 0.5).any():
            false += 1
    return taken, false


def _iou(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float64]:
    common = _common(box, boxes)
    return common / np.maximum(_area(box[None]) + _area(boxes) - common, 1e-9)


def _inside(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float64]:
    """Share of `box` inside each of `boxes`: COCO's overlap with crowd regions."""
    return _common(box, boxes) / np.maximum(_area(box[None]), 1e-9)


def _common(box: Boxes, boxes: Boxes) -> npt.NDArray[np.float64]:
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=1, dtype=np.float64))


def _area(boxes: Boxes) -> npt.NDArray[np.float64]:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64))


def _coco(truths: Sequence[Truth], found: Sequence[Found]) -> list[float]:
    """COCO's twelve summary numbers."""
    library: Any = require("faster_coco_eval", "detect")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (truth, result) in enumerate(zip(truths, found, strict=True), start=1):
        images.append({"id": number, "height": truth.height, "width": truth.width})
        for boxes, crowd in ((truth.boxes, 0), (truth.ignored, 1)):
            for box in boxes:
                x, y, w, h = _xywh(box)
                annotations.append(
                    {
                        "id": len(annotations) + 1, "image_id": number, "category_id": 1,
                        "bbox": [x, y, w, h], "area": w * h, "iscrowd": crowd,
                    }
                )  # fmt: skip
        for box, score in zip(result.boxes, result.scores, strict=True):
            results.append(
                {
                    "image_id": number, "category_id": 1, "bbox": list(_xywh(box)),
                    "score": float(score),
                }
            )  # fmt: skip
    if not results:
        return [0.0] * 12
    with redirect_stdout(StringIO()):  # the library prints its progress
        truth_set = library.COCO(
            {"images": images, "annotations": annotations,
             "categories": [{"id": 1, "name": "stop sign"}]}
        )  # fmt: skip
        evaluation = library.COCOeval_faster(truth_set, truth_set.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def _xywh(box: Boxes) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right - left, bottom - top
