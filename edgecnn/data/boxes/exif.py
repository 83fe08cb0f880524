"""EXIF rotation of photos, and boxes annotated before or after it.

A camera stores what its sensor saw and notes how it was held (CIPA DC-008 "Exif", tag 274). Some
tools annotate the image as stored, some as it is shown. Images are decoded upright here, so
that boxes in stored coordinates have to be turned with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.images import StoredImage
from edgecnn.errors import InputError

Reading = Literal["upright", "stored"]
READINGS: tuple[Reading, ...] = ("upright", "stored")
UNCLEAR = (
    "it is rotated by EXIF (orientation {orientation}), and whether its boxes refer to the stored "
    "or the upright image is unknown: pass --exif stored or --exif upright"
)


def check_reading(exif: str) -> None:
    """Raise InputError for a reading that there is not."""
    if exif and exif not in READINGS:
        raise InputError(f"exif is upright or stored, received: {exif!r}")


def reading_of(image: StoredImage, stated: tuple[int, int] | None) -> Reading | None:
    """The reading that fits the (height, width) which an annotation states; None where both do
    (turned by half, square, nothing stated).
    """
    stored = (image.height, image.width)
    if stated is None or image.upright == stored:
        return None
    return {image.upright: READINGS[0], stored: READINGS[1]}.get(stated)


def reading_of_set(votes: Sequence[Reading | None]) -> Reading | None:
    """The reading that all images with a clear one share."""
    clear = {vote for vote in votes if vote}
    return clear.pop() if len(clear) == 1 else None


def turned(boxes: npt.NDArray[np.float64], image: StoredImage) -> npt.NDArray[np.float64]:
    """Boxes (n, 4) xyxy of the stored image → of the upright one."""
    height, width = image.height, image.width
    left, top, right, bottom = boxes.T
    corners = {
        1: (left, top, right, bottom),
        2: (width - right, top, width - left, bottom),
        3: (width - right, height - bottom, width - left, height - top),
        4: (left, height - bottom, right, height - top),
        5: (top, left, bottom, right),
        6: (height - bottom, left, height - top, right),
        7: (height - bottom, width - right, height - top, width - left),
        8: (top, width - right, bottom, width - left),
    }[image.orientation]
    return np.stack(corners, axis=1)
