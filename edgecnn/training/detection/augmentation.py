"""Views of annotated images for training a detector: scale, crop, turn, stretch, light.

Words on signs are never mirrored: only images without a box are. A turned box is taken
around the octagon inscribed in it, not around its corners, which no stop sign has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxedImage, Boxes
from edgecnn.data.synthetic.faces import octagon
from edgecnn.data.synthetic.weather import tone, weather
from edgecnn.preprocessing import LETTERBOX_FILL
from edgecnn.registry import require
from edgecnn.training.detection.cutouts import Cutout, paste

Generator = np.random.Generator

SMALLEST = 6.0
LEAST_VISIBLE = 0.3
MAX_ENLARGEMENT = 2.5
EMPTY_MARGIN = 0.08
"""A window shows at most this share of nothing at a side where the image could fill it."""


@dataclass(frozen=True)
class View:
    """How an image is looked at.

    `size` is the side of the square that comes out, `frame` the side of the square that the
    whole image would be letterboxed to in use: signs get the sizes they have there.
    `whole` shows the whole image with little play; otherwise a window is cut, in which a
    sign's side is drawn log-uniformly between `sides`. `small` (0 … 1) favors small ones: at 1
    half of the signs lie in the lowest eighth of the range.
    """

    size: int
    frame: int
    whole: bool = False
    small: float = 0.0

    @property
    def sides(self) -> tuple[float, float]:
        """Signs from barely visible to somewhat larger than the view."""
        return 9.0, 1.4 * self.size


def augment(
    sample: BoxedImage,
    view: View,
    rng: Generator,
    *,
    drawn: bool,
    cutouts: Sequence[Cutout] = (),
) -> BoxedImage:
    """One random view (size, size, 3). `drawn` images had their weather when they were made;
    of `cutouts` some are pasted in before there is any.
    """
    seen = _looked_at(sample, view, rng)
    if cutouts:
        seen = paste(seen, cutouts, rng)
    if drawn:
        lit = tone(seen.image, rng) if rng.random() < 0.3 else seen.image
    else:
        lit = weather(seen.image, rng) if rng.random() < 0.5 else tone(seen.image, rng)
    return replace(seen, image=np.ascontiguousarray(lit))


def _looked_at(sample: BoxedImage, view: View, rng: Generator) -> BoxedImage:
    """The image moved, turned, scaled and cut, with what is left of its boxes."""
    cv2 = require("cv2", "opencv")
    image, boxes, ignored = sample.image, sample.boxes, sample.ignored
    if not len(boxes) and not len(ignored) and rng.random() < 0.5:
        image = image[:, ::-1]
    matrix = _pose(image.shape[:2], boxes, view, rng)
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.6:  # warpAffine skips pixels when it shrinks
        shrunk = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        ratio = np.asarray([image.shape[1] / shrunk[0], image.shape[0] / shrunk[1]])
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
        warp = matrix @ np.diag([*ratio, 1.0])
    else:
        warp = matrix
    warp = warp.copy()
    warp[:, 2] += warp[:, :2] @ (0.5, 0.5) - 0.5  # from pixel edges to OpenCV's pixel middles
    warped = cv2.warpAffine(
        image,
        warp,
        (view.size, view.size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(LETTERBOX_FILL,) * 3,
    )
    moved, fair, hardly = _move(boxes, matrix, view.size)
    lost_boxes, still, partly = _move(ignored, matrix, view.size)
    return BoxedImage(
        warped,
        moved[fair],
        np.concatenate([moved[hardly], lost_boxes[still | partly]]),
        sample.class_ids[fair],
    )


def _pose(
    shape: tuple[int, ...], boxes: Boxes, view: View, rng: Generator
) -> npt.NDArray[np.float64]:
    """The affine matrix (2, 3) from image to view."""
    height, width = shape
    letterbox = view.frame / max(height, width)
    focus = np.asarray([rng.uniform(0, width), rng.uniform(0, height)])
    if view.whole:
        scale = letterbox * math.exp(rng.uniform(-0.35 - 0.7 * view.small, 0.2))
        focus = np.asarray([width / 2, height / 2])
        slack = np.abs(view.size - np.asarray([width, height]) * scale) / 2
        target = view.size / 2 + rng.uniform(-1, 1, 2) * slack
    elif len(boxes) and rng.random() < 0.85:
        box = boxes[int(rng.integers(len(boxes)))]
        side = math.sqrt(float((box[2] - box[0]) * (box[3] - box[1])))
        low, high = (math.log(value) for value in view.sides)
        wanted = math.exp(low + (high - low) * rng.random() ** (1 + 2 * view.small))
        smallest = (0.4 - 0.25 * view.small) * letterbox
        scale = min(max(wanted / side, smallest), MAX_ENLARGEMENT * max(1.0, letterbox))
        focus = np.asarray([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], np.float64)
        target = rng.uniform(0.1, 0.9, 2) * view.size
    else:
        scale = letterbox * math.exp(rng.uniform(-0.7, 0.5))
        target = rng.uniform(0.2, 0.8, 2) * view.size
    angle = math.radians(float(np.clip(rng.normal(0, 5), -15, 15)))
    stretch = math.exp(float(np.clip(rng.normal(0, 0.08), -0.25, 0.25)))
    turn = np.asarray(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    ) @ np.diag([scale * stretch, scale / stretch])
    origin = target - turn @ focus
    extent = np.asarray([width, height]) * scale
    margin = EMPTY_MARGIN * view.size
    least = np.minimum(view.size - extent, 0) - margin
    most = np.maximum(view.size - extent, 0) + margin
    return np.column_stack([turn, np.clip(origin, least, most)])


def _move(
    boxes: Boxes, matrix: npt.NDArray[np.float64], size: int
) -> tuple[Boxes, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Boxes after the affine map, cut at the view's edge; which of them count, and which are
    there, but too small or too much cut to count.
    """
    if not len(boxes):
        none = np.zeros(0, np.bool_)
        return boxes, none, none
    points = boxes[:, None, :2] + octagon()[None] * (boxes[:, None, 2:] - boxes[:, None, :2])
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    whole = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    cut = np.clip(whole, 0, size).astype(np.float32)
    sides = cut[:, 2:] - cut[:, :2]
    seen = sides.prod(axis=1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(axis=1), 1e-6)
    inside = (sides > 1).all(axis=1)
    fair = inside & (seen >= LEAST_VISIBLE) & (sides.min(axis=1) >= SMALLEST)
    return cut, fair, inside & ~fair
