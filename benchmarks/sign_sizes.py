"""Recall by how large signs are in the stored photo, which is the same whatever the input.

Not run by itself: `by_source.py`, `input_sizes.py` and `second_look.py` use it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from edgecnn.data.boxes.base import BoxedFile
from edgecnn.detection.detections import Detections
from edgecnn.geometry import iou

EDGES = (0, 16, 24, 32, 64, 128, math.inf)
"""Of the shorter side of a sign in pixels of the photo."""
FOUND = 0.5
"""IoU from which on a sign is found."""


def recall_by_pixels(
    files: Sequence[BoxedFile], found: Sequence[Detections], min_score: float
) -> dict[str, list[int]]:
    """For each range of sides that has signs: how many were found, and how many there are."""
    sides: list[float] = []
    hits: list[bool] = []
    for file, each in zip(files, found, strict=True):
        if not len(file.boxes):
            continue
        shown = each.at_least(min_score)
        overlap = iou(file.boxes, shown.xyxy).max(axis=1, initial=0)
        sides += (file.boxes[:, 2:] - file.boxes[:, :2]).min(axis=1).tolist()
        hits += (overlap >= FOUND).tolist()
    rows = {}
    for low, high in pairwise(EDGES):
        here = np.asarray([low <= side < high for side in sides], bool)
        if here.any():
            name = f"{low}+" if math.isinf(high) else f"{low}-{high}"
            rows[name] = [int(np.asarray(hits)[here].sum()), int(here.sum())]
    return rows
