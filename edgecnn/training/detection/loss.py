"""Training targets of detectors by cell, and the loss over them.

A target is (rows, columns, 2 × classes + 4) float32: for each class the weight of the cell as a
positive, for each its weight as a negative, and log₂ of the distances to the four sides in
strides. The heat map is trained with
the quality focal loss (X. Li et al., "Generalized Focal Loss", 2020): a positive's target is
how well its own box fits, so that the score orders boxes by their fit. Cells around a sign's
middle weigh less as negatives, after CenterNet's (1 − gaussian)⁴. Boxes: generalized IoU
(H. Rezatofighi et al., 2019) and a little L1 on the logarithms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import Boxes
from edgecnn.models.stop_sign import STRIDE

POSITIVE_REACH = 0.12
"""Cells within this share of the width (height) of a sign's middle are positives."""
SOFT_REACH = 0.25
POSITIVE_WEIGHT = 4.0
BOX_WEIGHT = 2.0
L1_WEIGHT = 0.3
LOG_RANGE = (-3.0, 7.0)


def targets(
    boxes: Boxes,
    ignored: Boxes,
    size: int,
    *,
    class_ids: npt.NDArray[np.int64] | None = None,
    num_classes: int = 1,
) -> npt.NDArray[np.float32]:
    """Boxes of one view (size, size) → (size / 8, size / 8, 2 × num_classes + 4).

    `class_ids` (n,) are the classes of `boxes`, all 0 where they are left out. `ignored` boxes
    are of no class: nothing is learned there.
    """
    cells = size // STRIDE
    ids = np.zeros(len(boxes), np.int64) if class_ids is None else class_ids
    target = np.zeros((cells, cells, 2 * num_classes + 4), np.float32)
    positive = target[:, :, :num_classes]
    negative = target[:, :, num_classes : 2 * num_classes]
    distances = target[:, :, 2 * num_classes :]
    negative[:] = 1
    middles = (np.arange(cells, dtype=np.float32) + 0.5) * STRIDE
    for box in ignored:
        rows = _within(middles, box[1], box[3])
        columns = _within(middles, box[0], box[2])
        negative[np.ix_(rows, columns)] = 0
    # Large ones first: where two claim a cell, the smaller object gets it.
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    for (left, top, right, bottom), kind in zip(boxes[order], ids[order], strict=True):
        across = np.abs(middles - (left + right) / 2)
        down = np.abs(middles - (top + bottom) / 2)
        soft = [
            np.exp(-0.5 * (distance / max(SOFT_REACH * side, 0.8 * STRIDE)) ** 2)
            for distance, side in ((down, bottom - top), (across, right - left))
        ]
        negative[:, :, kind] *= (1 - soft[0][:, None] * soft[1][None]) ** 4
        rows = down <= max(POSITIVE_REACH * (bottom - top), 0.75 * STRIDE)
        columns = across <= max(POSITIVE_REACH * (right - left), 0.75 * STRIDE)
        rows[np.argmin(down)] = columns[np.argmin(across)] = True
        # A cell must lie inside the box: its distances have logarithms.
        rows &= (middles > top + 0.5) & (middles < bottom - 0.5)
        columns &= (middles > left + 0.5) & (middles < right - 0.5)
        count = int(rows.sum()) * int(columns.sum())
        if not count:
            continue
        y, x = middles[rows], middles[columns]
        patch = np.zeros((len(y), len(x), 4), np.float32)
        patch[:, :, 0] = np.log2((x - left) / STRIDE)[None]
        patch[:, :, 1] = np.log2((y - top) / STRIDE)[:, None]
        patch[:, :, 2] = np.log2((right - x) / STRIDE)[None]
        patch[:, :, 3] = np.log2((bottom - y) / STRIDE)[:, None]
        claimed = np.ix_(rows, columns)
        distances[claimed] = patch
        positive[claimed] = 0  # the larger object's, of whatever class
        positive[:, :, kind][claimed] = 1 / math.sqrt(count)
        negative[:, :, kind][claimed] = 0
    return target


def detection_loss(target: Any, outputs: Any) -> Any:
    """Scalar loss; `outputs` is (batch, rows, columns, classes + 4): the heat logits, then the
    four distances.
    """
    from keras import ops

    classes = outputs.shape[-1] - 4
    positive, negative = target[..., :classes], target[..., classes : 2 * classes]
    wanted = target[..., 2 * classes :]
    logit = outputs[..., :classes]
    distances = ops.clip(outputs[..., classes:], *LOG_RANGE)
    giou, iou = overlaps(wanted, distances)
    total = ops.maximum(ops.sum(positive), 1.0)
    chance = ops.sigmoid(logit)
    quality = ops.expand_dims(ops.stop_gradient(ops.clip(iou, 0.0, 1.0)), -1)
    # Binary cross-entropy from logits: max(x, 0) − x·y + log(1 + e^−|x|)
    rest = ops.log1p(ops.exp(-ops.abs(logit)))
    as_positive = ops.maximum(logit, 0.0) - logit * quality + rest
    as_positive = as_positive * ops.square(ops.abs(quality - chance)) * positive * POSITIVE_WEIGHT
    as_negative = (ops.maximum(logit, 0.0) + rest) * ops.square(chance)
    as_negative = as_negative * negative * ops.cast(positive == 0, "float32")
    heat = (ops.sum(as_positive) + ops.sum(as_negative)) / total
    here = ops.sum(positive, axis=-1)  # a cell is a positive of one class at most
    misfit = here * (1 - giou)
    gap = here * ops.mean(ops.abs(wanted - outputs[..., classes:]), axis=-1)
    box = (BOX_WEIGHT * ops.sum(misfit) + L1_WEIGHT * ops.sum(gap)) / total
    return heat + box


def overlaps(wanted: Any, predicted: Any) -> tuple[Any, Any]:
    """Generalized IoU and IoU of boxes that share a point, from log₂ of the four distances."""
    from keras import ops

    a, b = ops.power(2.0, wanted), ops.power(2.0, predicted)
    least, most = ops.minimum(a, b), ops.maximum(a, b)

    def area(sides: Any) -> Any:
        return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])

    common = area(least)
    union = area(a) + area(b) - common
    hull = area(most)
    iou = common / union
    return iou - (hull - union) / hull, iou


def _within(middles: npt.NDArray[np.float32], low: float, high: float) -> npt.NDArray[np.bool_]:
    return (middles >= low - STRIDE / 2) & (middles <= high + STRIDE / 2)
