"""OpenCV, kept quiet and within limits, and images as it lays them out."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from edgecnn.registry import require
from edgecnn.vision.sources.frames import ImageArray

MOST_PIXELS = 1 << 27
"""What OpenCV decodes at most (its own limit is a gigapixel: 3 GB for a file of some kilobytes).
It reads this when it is imported."""


def quiet_cv2() -> Any:
    """OpenCV, with its and FFmpeg's logs off: what goes wrong is said here, in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_VIDEOIO_DEBUG", "0")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))
    cv2 = require("cv2", "opencv")
    logging = cv2.utils.logging
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    return cv2


def as_bgr(image: Any) -> ImageArray:
    """(h, w), (h, w, 1) or (h, w, 4) of any camera → (h, w, 3) uint8, contiguous."""
    array = np.asarray(image)
    if array.dtype != np.uint8:
        array = (array >> 8 if array.dtype == np.uint16 else np.clip(array, 0, 255)).astype(
            np.uint8
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3])
