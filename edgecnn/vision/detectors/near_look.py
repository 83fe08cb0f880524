"""Detect large objects again at half the input size.

A network knows objects up to a size, ours those up to about 250 pixels of its input: of larger
ones, near the camera or in a large input, the boxes are guesses, and parts of them count as
objects (`benchmarks/near_look.py`). So where something large may be, the input is halved and
looked at again, as often as it is worth it, and what is large is taken from there. It costs a
quarter of an inference, in frames with something large alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.detection.detections import Boxes, Detections, joined
from edgecnn.detection.nms import suppress
from edgecnn.preprocessing import ImagePlacement, LetterboxPreprocessing
from edgecnn.preprocessing.base import Preprocessing
from edgecnn.registry import require
from edgecnn.vision.detectors.input_size import STEP, Size

LARGE_PX = 256.0
"""Longer side in the input from which on a box is taken from the half."""
EITHER = 0.75
"""Of LARGE_PX: from here on boxes of the half count, since the two differ by a little."""
DOUBT = 0.2
"""Score from which something may be there, and `POSSIBLY` of LARGE_PX the size."""
POSSIBLY = 0.5
NO_VOTES = 1.1
"""An overlap that no two boxes have: each has been voted on where it was found."""
SMALLEST = 192
"""Longer side below which no half is looked at."""

Tensor = npt.NDArray[np.generic]


def half_size(preprocessing: Preprocessing) -> Size | None:
    """(height, width) of the input for the half; None where it is not worth it."""
    if not isinstance(preprocessing, LetterboxPreprocessing):
        return None
    height, width = preprocessing.height, preprocessing.width
    if max(height, width) < 2 * SMALLEST:
        return None
    rows, columns = (-(-side // (2 * STEP)) * STEP for side in (height, width))
    return rows, columns


def halved(tensor: Tensor, size: Size, fill: Tensor, *, channels_first: bool) -> Tensor:
    """An input (1, …) at half its size, at the upper left of one of `size`, the rest `fill` (3,).

    Each value is the mean of four, as shrinking the image itself would give.
    """
    cv2 = require("cv2", "opencv")
    image = tensor[0].transpose(1, 2, 0) if channels_first else tensor[0]
    signed = image.dtype == np.int8  # which OpenCV does not shrink: the order of bytes is shifted
    pixels = np.ascontiguousarray(image)
    if signed:
        pixels = pixels.view(np.uint8) ^ np.uint8(128)
    elif pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    half = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    half = (half ^ np.uint8(128)).view(np.int8) if signed else half.astype(image.dtype)
    canvas = np.empty((*size, half.shape[2]), image.dtype)
    canvas[:] = fill
    canvas[:height, :width] = half
    if channels_first:
        return np.ascontiguousarray(canvas.transpose(2, 0, 1))[None]
    return canvas[None]


def inside(shape: Sequence[int]) -> ImagePlacement:
    """Where an input (height, width, …) lies in itself: boxes stay in its pixels."""
    return ImagePlacement(0, 0, shape[0], shape[1], 1.0, 1.0)


def may_be_large(found: Detections) -> bool:
    """Whether one of the boxes, in pixels of the input, may be of something large."""
    sides = _longer(found.xyxy)
    return bool(((found.scores >= DOUBT) & (sides >= POSSIBLY * LARGE_PX)).any())


def merge_looks(whole: Detections, half: Detections) -> Detections:
    """What is found in the input, the large from its half; both in pixels of the input."""
    small = whole.where(np.flatnonzero(_longer(whole.xyxy) < LARGE_PX))
    large = half.where(np.flatnonzero(_longer(half.xyxy) >= EITHER * LARGE_PX))
    both = joined([small, large])
    kept = [
        suppress(both.where(np.flatnonzero(both.class_ids == number)), vote_iou=NO_VOTES)
        for number in np.unique(both.class_ids)
    ]
    return joined(kept) if kept else both


def _longer(boxes: Boxes) -> npt.NDArray[np.float32]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), np.float32)
