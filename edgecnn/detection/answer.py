"""A network's outputs for one image → boxes in that image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.detection.detections import Boxes, Detections
from edgecnn.detection.heads import DEFAULT_MIN_SCORE, Head, open_head
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePlacement

__all__ = [
    "DEFAULT_MIN_SCORE",
    "OURS",
    "clip_boxes",
    "decode_ordered",
    "decode_outputs",
    "in_image",
]

OURS = Postprocessing("heat_map")
"""What a detector has whose manifest names no head."""


def decode_outputs(
    outputs: Sequence[npt.NDArray[Any]],
    tensor_shape: Sequence[int],
    place: ImagePlacement,
    image_shape: Sequence[int],
    *,
    min_score: float,
    head: Head | None = None,
) -> Detections:
    """Boxes with a score of at least `min_score`, in pixels of the image and inside it.

    `outputs` are those of batch 1, `tensor_shape` and `image_shape` (height, width, …) of the
    network's input and of the image, which lies in the input at `place`. `head` is our own
    where none is given.
    Raises InputError for the outputs of another kind of model.
    """
    head = head or open_head(OURS)
    height, width = tensor_shape[:2]
    ordered = head.ordered(outputs, height, width)
    if any(len(part) != 1 for part in ordered):
        raise InputError(f"expected the outputs of one image, received: {max(map(len, ordered))}")
    parts = [part[0] for part in ordered]
    return decode_ordered(parts, tensor_shape, place, image_shape, min_score=min_score, head=head)


def decode_ordered(
    parts: Sequence[npt.NDArray[Any]],
    tensor_shape: Sequence[int],
    place: ImagePlacement,
    image_shape: Sequence[int],
    *,
    min_score: float,
    head: Head,
) -> Detections:
    """As `decode_outputs`, of outputs that `head` has ordered, without the batch."""
    height, width = tensor_shape[0], tensor_shape[1]
    return in_image(head.boxes(parts, height, width, min_score), place, image_shape)


def in_image(
    detections: Detections, place: ImagePlacement, image_shape: Sequence[int]
) -> Detections:
    """Boxes in pixels of the network's input → in pixels of the image and inside it."""
    xyxy = clip_boxes(place.to_image(detections.xyxy), image_shape[0], image_shape[1])
    solid = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)  # none that lies in the margin alone
    return Detections(xyxy[solid], detections.scores[solid], detections.class_ids[solid])


def clip_boxes(xyxy: Boxes, height: int, width: int) -> Boxes:
    """Boxes cut at the image's edge."""
    return np.clip(xyxy, 0, np.asarray([width, height] * 2, np.float32)).astype(np.float32)
