"""A network's outputs for one picture → boxes in that picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from edgecnn.detection.decode import clip_boxes, decode, split_outputs
from edgecnn.detection.detections import Detections
from edgecnn.detection.nms import suppress
from edgecnn.preprocessing import Placement

DEFAULT_MIN_SCORE = 0.4
"""Where a model's manifest does not name its own threshold (`metrics.min_score`)."""


def boxes_in(
    outputs: Sequence[npt.NDArray[Any]],
    tensor_shape: Sequence[int],
    place: Placement,
    picture_shape: Sequence[int],
    *,
    min_score: float,
) -> Detections:
    """Boxes with a score of at least `min_score`, in pixels of the picture and inside it.

    `outputs` are those of batch 1, `tensor_shape` and `picture_shape` (height, width, …) of the
    network's input and of the picture, which lies in the input at `place`.
    Raises InputError for the outputs of another kind of model.
    """
    heat, box = split_outputs(outputs, tensor_shape[0], tensor_shape[1])
    found = suppress(decode(heat, box, min_score=min_score))
    xyxy = clip_boxes(place.to_picture(found.xyxy), picture_shape[0], picture_shape[1])
    solid = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)  # none that lies in the margin alone
    return Detections(xyxy[solid], found.scores[solid])
