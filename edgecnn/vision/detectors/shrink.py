"""OpenCV's fast way to the size that the network takes, close to how training gets there."""

from __future__ import annotations

import math
from typing import cast

from edgecnn.registry import require
from edgecnn.vision.sources.frames import ImageArray

LARGEST_BLURRED = 2.0
"""Up to this ratio three taps can widen bilinear sampling as far as it must be."""
SMALLEST_BLURRED = 1.3
"""Below this ratio they change less than a gray level, and cost as much as the sampling."""


def fit(image: ImageArray, height: int, width: int) -> ImageArray:
    """Resample (h, w, 3) to (height, width, 3).

    `preprocessing` shrinks by a ratio r with a triangle of half-width r, whose variance is
    r² / 6; bilinear sampling has a sixth of a pixel. So a blur of three taps with the difference,
    and then bilinear sampling: on photographs 0.8 gray levels from `preprocessing` at r = 1.67
    and 0.4 at 1.9, where OpenCV's INTER_AREA, three times as slow, is 1.1 and 0.9 away. Beyond
    r = 2 the image is halved first, by the means of 2×2 pixels, which leaves 1.25 of 1280×720 and
    nothing to blur (drawn scenes, `benchmarks/shrinking.py`).
    """
    cv2 = require("cv2", "opencv")
    while _is_halved_well(image, height, width):
        half = image.shape[1] // 2, image.shape[0] // 2
        image = cast("ImageArray", cv2.resize(image, half, interpolation=cv2.INTER_AREA))
    if image.shape[:2] == (height, width):
        return image
    ratios = image.shape[1] / width, image.shape[0] / height
    if max(ratios) <= SMALLEST_BLURRED:
        return cast("ImageArray", cv2.resize(image, (width, height)))
    if max(ratios) > LARGEST_BLURRED or min(ratios) <= 1:
        method = cv2.INTER_AREA
        return cast("ImageArray", cv2.resize(image, (width, height), interpolation=method))
    across, down = (_sigma(ratio) for ratio in ratios)
    blurred = cv2.GaussianBlur(image, (3, 3), across, sigmaY=down)
    return cast("ImageArray", cv2.resize(blurred, (width, height)))


def _is_halved_well(image: ImageArray, height: int, width: int) -> bool:
    """An odd side would shift every pixel a little."""
    rows, columns = image.shape[:2]
    twice = min(rows / height, columns / width) >= LARGEST_BLURRED
    return bool(twice) and rows % 2 == 0 and columns % 2 == 0


def _sigma(ratio: float) -> float:
    """With which OpenCV's three taps (s, 1 − 2s, s) have a variance of (ratio² − 1) / 6."""
    side = max((ratio * ratio - 1) / 12, 1e-6)
    return math.sqrt(-0.5 / math.log(side / (1 - 2 * side)))
