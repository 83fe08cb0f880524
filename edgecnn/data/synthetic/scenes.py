"""Endless synthetic scenes with stop signs, each determined by its seed and number.

Flat faces are turned in space, put on poles, lit, aged, soiled and partly hidden; other signs
stand next to them. A box is the tight rectangle around the projected plate, cut at the image's
edge. What a person could not see either counts neither way (`ignored`): signs below 7 pixels,
signs of which less than a third is left, and red octagons without a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.boxes.base import BoxedImage
from edgecnn.data.files.images import as_channels, decode
from edgecnn.data.synthetic import faces
from edgecnn.data.synthetic.backgrounds import draw_background, grain
from edgecnn.data.synthetic.weather import weather
from edgecnn.errors import InputError
from edgecnn.files import IMAGE_ENDINGS
from edgecnn.registry import require

ImageArray = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
Generator = np.random.Generator

SMALLEST = 7.0
LEAST_VISIBLE = 0.34
SQUARE: Points = np.asarray([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


@dataclass(frozen=True)
class SyntheticScenes(Sequence[BoxedImage]):
    """`number` scenes of height × width; scene i is the same whenever and wherever it is drawn.

    `backgrounds` are photographs without stop signs to draw on; with them, half of the scenes
    still have a drawn background. `small` (0 … 1) favors small signs.
    """

    seed: int
    number: int
    height: int = 416
    width: int = 416
    backgrounds: Sequence[ImageArray] = ()
    small: float = 0.0

    def __len__(self) -> int:
        return self.number

    # Sequence promises slices too; a scene is drawn when it is asked for, one at a time.
    def __getitem__(self, index: int) -> BoxedImage:  # type: ignore[override]
        if not 0 <= index < self.number:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index])
        background = None
        if self.backgrounds and rng.random() < 0.5:
            photo = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
            background = _cover(photo, self.height, self.width, rng)
        return draw_scene(rng, self.height, self.width, background, small=self.small)


def load_backgrounds(folder: Path, *, limit: int = 1000) -> list[ImageArray]:
    """Every image in a folder. Raises InputError when there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)
    if not paths:
        raise InputError(f"no images in {folder}", hint="pass a folder of JPEG or PNG files")
    return [as_channels(decode(path), 3) for path in paths[:limit]]


def draw_scene(
    rng: Generator,
    height: int,
    width: int,
    background: ImageArray | None = None,
    *,
    small: float = 0.0,
) -> BoxedImage:
    """Draw one scene; about one in five has no stop sign."""
    canvas = draw_background(rng, height, width) if background is None else background
    boxes: list[Points] = []
    ignored: list[Points] = []
    others = int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1)))
    for _ in range(others):
        place(canvas, faces.other_face(rng), rng, boxes, small=small)
    for _ in range(int(rng.choice(4, p=(0.2, 0.56, 0.16, 0.08)))):
        wordless = rng.random() < 0.02
        face = faces.stop_face(rng, word="" if wordless else None)
        placed = place(canvas, face, rng, [*boxes, *ignored], faces.octagon(), small=small)
        if placed is not None:
            box, fair = placed
            (boxes if fair and not wordless else ignored).append(box)
    return BoxedImage(
        weather(canvas, rng),
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(ignored, np.float32).reshape(-1, 4),
    )


def place(
    canvas: ImageArray,
    face: faces.Face,
    rng: Generator,
    taken: Sequence[Points],
    outline: Points = SQUARE,
    *,
    small: float = 0.0,
) -> tuple[Points, bool] | None:
    """Put a face into the scene and return its box and whether it is fair to expect it found.

    Returns None when no free place was found: signs do not stand in front of each other.
    """
    height, width = canvas.shape[:2]
    for _ in range(6):
        shortest = min(height, width)
        low, high = math.log(0.022), math.log(0.75)
        size = shortest * math.exp(low + (high - low) * rng.random() ** (1 + 2 * small))
        center = rng.uniform((0.0, 0.0), (width, height * 0.9))
        matrix = _pose(rng, size, center)
        corners = _project(matrix, outline)
        whole = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        cut = np.clip(whole, 0, (width, height, width, height)).astype(np.float32)
        if _area(cut) < 0.25 * _area(whole) or any(_overlap(cut, box) > 0 for box in taken):
            continue
        if rng.random() < 0.75:
            _pole(canvas, rng, corners)
        _paste(canvas, _aged(face, rng, size), matrix, rng)
        hidden = _hide(canvas, rng, cut) if rng.random() < 0.22 else 0.0
        seen = (1 - hidden) * _area(cut) / _area(whole)
        fair = seen >= LEAST_VISIBLE and min(cut[2] - cut[0], cut[3] - cut[1]) >= SMALLEST
        return cut, bool(fair)
    return None


def _pose(rng: Generator, size: float, center: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A homography from the unit square to the image: a plate turned in space, seen by a
    pinhole camera at 2.5 to 12 plate widths.
    """
    yaw = math.radians(float(np.clip(rng.normal(0, 22), -65, 65)))
    pitch = math.radians(float(np.clip(rng.normal(0, 8), -30, 30)))
    roll = math.radians(float(np.clip(rng.normal(0, 6), -25, 25)))
    distance = float(rng.uniform(2.5, 12))
    about_y = [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
    about_x = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)],
               [0, math.sin(pitch), math.cos(pitch)]]  # fmt: skip
    about_z = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0],
               [0, 0, 1]]  # fmt: skip
    turn = np.asarray(about_z) @ np.asarray(about_x) @ np.asarray(about_y)
    plane = np.column_stack([turn[:, 0], turn[:, 1], -0.5 * (turn[:, 0] + turn[:, 1])])
    plane[2, 2] += distance
    scale = size * distance
    camera = np.asarray([[scale, 0, center[0]], [0, scale, center[1]], [0, 0, 1]])
    return np.asarray(camera @ plane)


def _project(matrix: npt.NDArray[np.float64], points: Points) -> Points:
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], np.float32)


def _paste(
    canvas: ImageArray, face: faces.Face, matrix: npt.NDArray[np.float64], rng: Generator
) -> None:
    cv2 = require("cv2", "opencv")
    height, width = canvas.shape[:2]
    corners = _project(matrix, SQUARE)
    left, top = np.maximum(np.floor(corners.min(axis=0)) - 1, 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)) + 1, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return
    shift = np.asarray([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    pixels = np.diag([1 / face.shape[1], 1 / face.shape[0], 1])
    half = np.asarray([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    warp = np.linalg.inv(half) @ shift @ matrix @ pixels @ half
    warped = cv2.warpPerspective(
        face, warp, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR
    ).astype(np.float32)
    coverage = warped[:, :, 3:] / 255
    region = canvas[top:bottom, left:right]
    shade = _lighting(rng, *warped.shape[:2])
    # Colors outside the plate are black at no coverage: dividing restores the edge's color.
    color = np.clip(warped[:, :, :3] * shade, 0, 255)
    region[:] = np.rint(region + (color - region) * coverage)


def _lighting(rng: Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Light on a plate: an even level, a slope, and now and then the edge of a shadow."""
    level = float(rng.uniform(0.45, 1.15))
    slope = rng.normal(0, 0.12, 2)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(slope[0])
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(slope[1])
    light = level + down + across
    if rng.random() < 0.2:
        angle = rng.uniform(0, 2 * math.pi)
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(math.sin(angle))
        across = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(math.cos(angle))
        light = np.where(down + across > rng.uniform(-0.7, 0.7), light * rng.uniform(0.35, 0.7),
                         light)  # fmt: skip
    warmth = np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    return np.asarray(light[:, :, None] * warmth, np.float32)


def _aged(face: faces.Face, rng: Generator, size: float) -> faces.Face:
    """A copy at about the size it will have, faded, soiled, scratched and stuck over."""
    cv2 = require("cv2", "opencv")
    aged = face
    while size < aged.shape[0] / 2 and aged.shape[0] > 8:  # no aliasing in far signs
        half = (aged.shape[1] // 2, aged.shape[0] // 2)
        aged = np.asarray(cv2.resize(aged, half, interpolation=cv2.INTER_AREA), np.uint8)
    aged = aged.copy()
    side = aged.shape[0]
    colors = aged[:, :, :3]
    if rng.random() < 0.25:  # the sun bleaches red first
        pale = np.asarray(((205, 150, 140), (190, 190, 190), (215, 120, 90))[rng.integers(3)])
        amount = float(rng.uniform(0.1, 0.6))
        colors[:] = np.rint(colors * (1 - amount) + pale * amount)
    if rng.random() < 0.3:
        strength = float(rng.uniform(0.1, 0.5))
        dirt = grain(rng, side, side, octave=3)
        colors[:] = cv2.addWeighted(colors, 1.0, dirt, strength, 0, dtype=cv2.CV_8U)
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 4))):
            low = rng.integers(0, max(1, side - side // 4), 2)
            extent = rng.integers(1, max(2, side // 4), 2)
            colors[low[1] : low[1] + extent[1], low[0] : low[0] + extent[0]] = rng.integers(
                0, 256, 3
            )
    return aged


def _pole(canvas: ImageArray, rng: Generator, corners: Points) -> None:
    cv2 = require("cv2", "opencv")
    low, high = corners.min(axis=0), corners.max(axis=0)
    x = float(low[0] + high[0]) / 2
    size = float(high[1] - low[1])
    thick = max(1, round(size * float(rng.uniform(0.05, 0.13))))
    gray = int(rng.integers(50, 190))
    color = (gray, gray, gray) if rng.random() < 0.8 else (gray, gray * 3 // 4, gray // 2)
    end = (round(x + rng.normal(0, size * 0.1)), round(float(high[1] + size * rng.uniform(1, 5))))
    cv2.line(canvas, (round(x), round(float(low[1] + size * 0.3))), end, color, thick)
    if thick > 3:  # a lit side
        lit = tuple(min(255, value + 35) for value in color)
        cv2.line(canvas, (round(x) - thick // 4, round(float(high[1]))),
                 (end[0] - thick // 4, end[1]), lit, thick // 3)  # fmt: skip


def _hide(canvas: ImageArray, rng: Generator, box: Points) -> float:
    """Put leaves, a post or a passing body over a part; return the share of the box hidden."""
    cv2 = require("cv2", "opencv")
    left, top, right, bottom = (round(float(value)) for value in box)
    width, height = right - left, bottom - top
    if width < 10 or height < 10:
        return 0.0
    mask = np.zeros((height, width), np.uint8)
    roll = rng.random()
    if roll < 0.5:
        for _ in range(int(rng.integers(3, 18))):
            center = (int(rng.choice((0, width)) + rng.normal(0, width / 4)),
                      int(rng.integers(0, height)))  # fmt: skip
            cv2.circle(mask, center, int(rng.integers(1, max(2, width // 6))), 255, -1)
        color = np.asarray((70, 95, 50)) + rng.integers(-30, 31, 3)
    elif roll < 0.75:
        x = int(rng.integers(0, width))
        mask[:, x : x + max(1, int(width * rng.uniform(0.05, 0.25)))] = 255
        color = np.full(3, rng.integers(40, 180))
    else:
        share = float(rng.uniform(0.1, 0.45))
        rows = slice(0, int(height * share)) if rng.random() < 0.5 else slice(
            int(height * (1 - share)), height
        )  # fmt: skip
        mask[rows] = 255
        color = rng.integers(0, 256, 3)
    region = canvas[top:bottom, left:right]
    cover = mask[: region.shape[0], : region.shape[1]] > 0
    texture = grain(rng, *region.shape[:2], octave=2).astype(np.int16)
    region[cover] = np.clip(color + texture // 2, 0, 255).astype(np.uint8)[cover]
    return float(cover.mean())


def _cover(photo: ImageArray, height: int, width: int, rng: Generator) -> ImageArray:
    """A random window of a photo, scaled to fill height × width."""
    cv2 = require("cv2", "opencv")
    ratio = max(height / photo.shape[0], width / photo.shape[1]) * float(rng.uniform(1, 1.5))
    size = (max(width, round(photo.shape[1] * ratio)), max(height, round(photo.shape[0] * ratio)))
    scaled = cv2.resize(photo, size, interpolation=cv2.INTER_LINEAR)
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    window = scaled[top : top + height, left : left + width]
    return np.ascontiguousarray(window[:, ::-1] if rng.random() < 0.5 else window, np.uint8)


def _area(box: npt.NDArray[np.floating]) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def _overlap(first: Points, second: Points) -> float:
    return _area(
        np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])])
    )
