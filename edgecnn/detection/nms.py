"""Merge overlapping boxes of one object into one box (non-maximum suppression).

Not cv2.dnn.NMSBoxes: it neither votes nor knows a part of a sign, and a bundle runs without OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from edgecnn.detection.detections import Boxes, Detections
from edgecnn.geometry import Floats, iou, nested

FEW = 200


def suppress(
    detections: Detections,
    *,
    max_iou: float = 0.5,
    max_inside: float = 0.7,
    vote_iou: float = 0.7,
    limit: int = 100,
) -> Detections:
    """Greedy non-maximum suppression with box voting (S. Gidaris, N. Komodakis, 2015).

    A box survives unless a better survivor overlaps it by more than `max_iou`, or one of the
    two lies in the other with more than `max_inside` of its area: a part of a sign, as on
    close-ups, is not a second sign (precision on held-out close-ups 0.52 → 0.71). Each survivor
    then moves to the score-weighted mean of all boxes that overlap it by at least `vote_iou`:
    the cells around a sign's middle have each measured it, and their mean errs less than any.
    `vote_iou` above 1 leaves boxes where they are.
    """
    if not len(detections):
        return detections
    order = np.argsort(-detections.scores, kind="stable")
    boxes, scores = detections.xyxy[order], detections.scores[order]
    alive = np.ones(len(boxes), bool)
    overlaps, within = _rows(iou, boxes), _rows(nested, boxes)
    kept = []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        kept.append(index)
        if len(kept) == limit:
            break
        alive &= (overlaps(index) <= max_iou) & (within(index) <= max_inside)
    # A voter must have a finite say: a box of no extent overlaps nothing, itself included.
    near = np.stack([overlaps(index) for index in kept]) >= vote_iou
    weights = np.where(near, scores[None], 0).astype(np.float64)
    weights[np.arange(len(kept)), kept] = np.maximum(scores[kept], 1e-12)
    voted = weights @ boxes / weights.sum(axis=1, keepdims=True)
    result = boxes[kept] if vote_iou > 1 else voted.astype(np.float32)
    return Detections(result, scores[kept], detections.class_ids[order][kept])


def _rows(measure: Callable[[Boxes, Boxes], Floats], boxes: Boxes) -> Callable[[int], Floats]:
    """What gives (n,) a measure of one of the boxes (n, 4) with each. All pairs are quickest
    for few boxes; of thousands, as an evaluation has, only those of survivors are wanted.
    """
    if len(boxes) <= FEW:
        table = measure(boxes, boxes)
        return lambda index: np.asarray(table[index])
    return cache(lambda index: np.asarray(measure(boxes[index : index + 1], boxes)[0]))


def suppress_by_class(detections: Detections, *, max_iou: float, limit: int = 300) -> Detections:
    """Plain greedy non-maximum suppression, each class by itself: what most detectors are made
    for. The best `limit` survivors, best first.

    Of two boxes that overlap by more than `max_iou` the better one survives, of equal ones the
    first.
    """
    order = np.argsort(-detections.scores, kind="stable")
    ranked = detections.where(order)
    alive = np.zeros(len(ranked), bool)
    for class_id in np.unique(ranked.class_ids):
        places = np.flatnonzero(ranked.class_ids == class_id)
        alive[places[_survivors(ranked.xyxy[places], max_iou)]] = True
    return ranked.where(np.flatnonzero(alive)[:limit])


def _survivors(boxes: Boxes, max_iou: float) -> list[int]:
    """Places of the boxes that stay; `boxes` come best first."""
    waiting = np.arange(len(boxes))
    kept = []
    while waiting.size:
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        if waiting.size:
            waiting = waiting[iou(boxes[best : best + 1], boxes[waiting])[0] <= max_iou]
    return kept
