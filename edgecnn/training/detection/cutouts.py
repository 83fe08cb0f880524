"""Cut-and-paste augmentation: paste objects small into other images, as far signs.

A far sign in a photo is a few pixels, blurred by the lens, veiled by air and ground down by JPEG.
Photos of near signs are many, so theirs are shrunk to 8 to 40 pixels of the network's input,
given the light of the place they come to, and blurred and veiled before they are blended in
(D. Dwibedi et al., "Cut, Paste and Learn", 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxedImage, Boxes
from edgecnn.data.synthetic.faces import octagon
from edgecnn.data.synthetic.weather import jpeg
from edgecnn.geometry import iou
from edgecnn.registry import require

Generator = np.random.Generator
ImageArray = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]

SIDES = (8.0, 40.0)
"""Pixels of a pasted object's longer side in the network's input."""
LEAST_SIDE = 40.0
"""Pixels of an object's shorter side that is worth cutting out."""
KEPT_SIDE = 128
INSET = 0.03
"""Of each side of a box: annotated boxes are a few percent loose."""
MOST_ASPECT = 1.5
"""Of an octagon's box; more is a sign seen from its side, or one that something hides."""
RECTANGLE: Points = np.asarray([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


@dataclass(frozen=True)
class Cutout:
    """An object (height, width, 4) uint8, RGB and coverage, that fills the array, its class, and
    its outline (n, 2) in the unit square.
    """

    pixels: ImageArray
    class_id: int
    outline: Points


def cut_out(sample: BoxedImage, *, octagonal: bool) -> list[Cutout]:
    """The objects of an image that are large, whole and apart from others.

    `octagonal` ones are cut along the octagon in their box, others along the box.
    """
    height, width = sample.image.shape[:2]
    others = np.concatenate([sample.boxes, sample.ignored])
    overlaps = iou(sample.boxes, others)
    cutouts = []
    for number, (box, class_id) in enumerate(
        zip(sample.boxes, sample.class_ids.tolist(), strict=True)
    ):
        sides = box[2:] - box[:2]
        apart = np.delete(overlaps[number], number).max(initial=0) == 0
        whole = bool((box[:2] >= 1).all() and box[2] <= width - 1 and box[3] <= height - 1)
        aspect = float(sides.max() / max(float(sides.min()), 1e-6))
        if not apart or not whole or sides.min() < LEAST_SIDE:
            continue
        if octagonal and aspect > MOST_ASPECT:
            continue
        cutouts.append(_cut(sample.image, box, class_id, octagonal=octagonal))
    return cutouts


def _cut(image: ImageArray, box: Points, class_id: int, *, octagonal: bool) -> Cutout:
    cv2 = require("cv2", "opencv")
    inset = (box[2:] - box[:2]) * INSET
    left, top = (round(float(value)) for value in box[:2] + inset)
    right, bottom = (round(float(value)) for value in box[2:] - inset)
    crop = image[top:bottom, left:right]
    scale = min(1.0, KEPT_SIDE / max(crop.shape[:2]))
    size = (max(2, round(crop.shape[1] * scale)), max(2, round(crop.shape[0] * scale)))
    crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    outline = octagon() if octagonal else RECTANGLE
    fine = 4
    mask = np.zeros((size[1] * fine, size[0] * fine), np.uint8)
    corners = np.rint(outline * (mask.shape[1] - 1, mask.shape[0] - 1)).astype(np.int32)
    cv2.fillConvexPoly(mask, corners, 255)
    cover = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    return Cutout(np.dstack([crop, cover]).astype(np.uint8), class_id, outline)


def paste(sample: BoxedImage, cutouts: Sequence[Cutout], rng: Generator) -> BoxedImage:
    """The view with one to three cutouts, where no other object is."""
    canvas = sample.image.copy()
    boxes, ids = list(sample.boxes), sample.class_ids.tolist()
    for _ in range(int(rng.choice((1, 2, 3), p=(0.6, 0.3, 0.1)))):
        cutout = cutouts[int(rng.integers(len(cutouts)))]
        taken = np.concatenate([np.asarray(boxes, np.float32).reshape(-1, 4), sample.ignored])
        box = _paste_one(canvas, cutout, taken, rng)
        if box is not None:
            boxes.append(box)
            ids.append(cutout.class_id)
    if rng.random() < 0.5:
        canvas = jpeg(canvas, rng)
    return BoxedImage(
        canvas,
        np.asarray(boxes, np.float32).reshape(-1, 4),
        sample.ignored,
        np.asarray(ids, np.int64),
    )


def _paste_one(canvas: ImageArray, cutout: Cutout, taken: Boxes, rng: Generator) -> Points | None:
    """Blend a cutout in, in place, and return its box; None where no free place was found."""
    height, width = canvas.shape[:2]
    side = math.exp(rng.uniform(math.log(SIDES[0]), math.log(min(SIDES[1], width / 3))))
    matrix = _pose(cutout, side, rng)
    for _ in range(6):
        middle = rng.uniform((side, side), (width - side, 0.9 * height - side / 2))
        placed = matrix.copy()
        placed[:, 2] += middle
        corners = cutout.outline @ placed[:, :2].T + placed[:, 2]
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)
        inside = (box >= 0).all() and box[2] <= width and box[3] <= height
        if inside and not iou(_wider(box)[None], taken).any():
            _blend(canvas, cutout, placed, box, rng)
            return box
    return None


def _pose(cutout: Cutout, side: float, rng: Generator) -> npt.NDArray[np.float64]:
    """From the unit square to pixels around (0, 0): (2, 3)."""
    rows, columns = cutout.pixels.shape[:2]
    extent = np.asarray((columns, rows), np.float64) * side / max(rows, columns)
    stretch = math.exp(float(np.clip(rng.normal(0, 0.08), -0.25, 0.25)))
    angle = math.radians(float(np.clip(rng.normal(0, 4), -12, 12)))
    turn = np.asarray([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag(extent * (stretch, 1 / stretch))
    return np.column_stack([linear, -linear @ (0.5, 0.5)])


def _wider(box: Points) -> Points:
    margin = 0.15 * (box[2:] - box[:2])
    return np.concatenate([box[:2] - margin, box[2:] + margin])


def _blend(
    canvas: ImageArray,
    cutout: Cutout,
    matrix: npt.NDArray[np.float64],
    box: Points,
    rng: Generator,
) -> None:
    cv2 = require("cv2", "opencv")
    left, top = np.maximum(np.floor(box[:2]).astype(int) - 2, 0)
    right = min(int(np.ceil(box[2])) + 2, canvas.shape[1])
    bottom = min(int(np.ceil(box[3])) + 2, canvas.shape[0])
    pixels = cutout.pixels
    wanted = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    ratio = wanted / math.sqrt(pixels.shape[0] * pixels.shape[1])
    if ratio < 0.6:  # warpAffine skips pixels when it shrinks
        size = tuple(max(2, math.ceil(length * ratio)) for length in pixels.shape[1::-1])
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    warp = matrix @ np.diag([1 / pixels.shape[1], 1 / pixels.shape[0], 1.0])
    warp[:, 2] += warp[:, :2] @ (0.5, 0.5) - 0.5 - (left, top)
    size = (int(right - left), int(bottom - top))
    color = cv2.warpAffine(pixels[:, :, :3], warp, size, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(pixels[:, :, 3], warp, size).astype(np.float32) / 255
    region = canvas[top:bottom, left:right]
    color, around = color.astype(np.float32), region.reshape(-1, 3).mean(axis=0)
    own = color[cover > 0.5].mean() if (cover > 0.5).any() else color.mean()
    color *= (float(np.clip((around.mean() + 40) / (own + 40), 0.5, 1.5))) ** rng.uniform(0, 1)
    if rng.random() < 0.4:  # air between
        color += (around - color) * np.float32(rng.uniform(0.05, 0.4))
    if rng.random() < 0.7:  # lens
        sigma = float(rng.uniform(0.3, 1.1))
        color = cv2.GaussianBlur(color, (0, 0), sigma)
        cover = cv2.GaussianBlur(cover, (0, 0), sigma)
    mixed = region + (np.clip(color, 0, 255) - region) * cover[:, :, None]
    region[:] = np.rint(mixed).astype(np.uint8)
