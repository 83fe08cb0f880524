"""`synthetic`: a street that comes nearer, drawn live, so that the demo runs without a camera.

The signs are those the detector's training draws (edgecnn.data.synthetic), seen by a pinhole
camera that drives past them: stop signs, and other signs that must not be taken for one.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.synthetic import faces
from edgecnn.data.synthetic.backgrounds import draw_background
from edgecnn.errors import InputError
from edgecnn.registry import require
from edgecnn.vision.sources.frames import ImageArray, Read

FORM = "synthetic, synthetic:SEED or synthetic:WIDTHxHEIGHT@FPS"
SCENE_S = 9.0
MOST_SATURATION = 114
FARTHEST_M, NEAREST_M = 38.0, 3.0
LEAST_SHOWN = 0.3
"""Of a sign that is cut by the frame's edge: with less of it nobody can expect it to be found."""
PLATE_M = 0.75
"""A stop sign on an urban street is 30 inches across (MUTCD table 2B-1)."""


@dataclass(frozen=True)
class _Sign:
    face: npt.NDArray[np.uint8]
    """(side, side, 4) BGR and coverage."""
    side_m: float
    height_m: float
    starts_m: float
    yaw: float


class Street:
    """Scene after scene; frame `tick` of a seed is the same wherever it is drawn."""

    def __init__(
        self, seed: int = 0, *, width: int = 640, height: int = 480, fps: float = 30.0
    ) -> None:
        self._cv2: Any = require("cv2", "opencv")
        self.fps = fps
        self._seed = seed
        self._size = (width, height)
        self._scene = -1
        self._background: ImageArray = np.zeros((1, 1, 3), np.uint8)
        self._signs: list[_Sign] = []

    def draw(self, tick: int) -> ImageArray:
        """Frame number `tick`, (height, width, 3) BGR."""
        scene, seconds = divmod(tick / self.fps, SCENE_S)
        if int(scene) != self._scene:
            self._begin(int(scene))
        width, height = self._size
        zoom = 1.0 + 0.22 * seconds / SCENE_S
        sway = 4.0 * math.sin(2.1 * seconds)
        scale = zoom / 1.5
        rows, columns = self._background.shape[:2]
        matrix = np.asarray(
            [
                [scale, 0, width / 2 - scale * columns / 2 + sway],
                [0, scale, height * 0.45 - scale * rows * 0.45],
            ],
            np.float32,
        )
        canvas = self._cv2.warpAffine(
            self._background, matrix, (width, height), borderMode=self._cv2.BORDER_REPLICATE
        )
        for sign in sorted(self._signs, key=lambda one: -one.starts_m):
            self._place(canvas, sign, sign.starts_m - _traveled(seconds), sway)
        return np.asarray(canvas, np.uint8)

    def stop_signs(self, tick: int) -> dict[int, npt.NDArray[np.float32]]:
        """The boxes (4,) of the stop signs in frame `tick`, cut at its edge, by their numbers: each
        scene has one, with the scene's. One that is not drawn yet, or not any more, is left out.
        """
        scene, seconds = divmod(tick / self.fps, SCENE_S)
        if int(scene) != self._scene:
            self._begin(int(scene))
        sign = self._signs[0]
        sway = 4.0 * math.sin(2.1 * seconds)
        seen = self._seen(sign, sign.starts_m - _traveled(seconds), sway)
        if seen is None:
            return {}
        corners = np.asarray(_corners(sign, *seen), np.float32)
        unit = np.asarray([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
        warp = self._cv2.getPerspectiveTransform(unit, corners)
        points = np.column_stack([faces.octagon(), np.ones(8)]) @ warp.T
        outline = points[:, :2] / points[:, 2:]
        box = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
        cut = np.clip(box, 0, self._size * 2).astype(np.float32)
        visible = float(np.prod(cut[2:] - cut[:2]) / np.prod(box[2:] - box[:2]))
        return {int(scene): cut} if visible >= LEAST_SHOWN else {}

    def _begin(self, scene: int) -> None:
        rng = np.random.default_rng([self._seed, scene])
        width, height = self._size
        drawn = self._draw_street(rng, round(height * 1.5), round(width * 1.5))
        self._background = np.ascontiguousarray(drawn[:, :, ::-1])
        self._signs = [self._sign(faces.stop_face(rng), rng, side=1.0, far=1.0)]
        for _ in range(int(rng.integers(1, 3))):
            side = -1.0 if rng.random() < 0.6 else 1.0
            other = faces.other_face(rng)
            self._signs.append(self._sign(other, rng, side=side, far=float(rng.uniform(0.5, 1.3))))
        self._scene = scene

    def _draw_street(self, rng: np.random.Generator, height: int, width: int) -> ImageArray:
        """A background that is a street: training also draws gaudy textures, which nobody drives
        through, and which their colors give away (of 120 backgrounds, streets had a mean
        saturation of 26 to 111, textures of 117 to 171).
        """
        while True:
            drawn = draw_background(rng, height, width)
            small = self._cv2.resize(drawn, (32, 24), interpolation=self._cv2.INTER_AREA)
            hsv = self._cv2.cvtColor(small, self._cv2.COLOR_RGB2HSV)
            if float(hsv[:, :, 1].mean()) < MOST_SATURATION:
                return drawn

    def _sign(
        self, face: npt.NDArray[np.uint8], rng: np.random.Generator, *, side: float, far: float
    ) -> _Sign:
        bgr = np.ascontiguousarray(face[:, :, [2, 1, 0, 3]])
        return _Sign(
            bgr,
            side * float(rng.uniform(1.3, 2.2)),
            float(rng.uniform(0.5, 1.1)),
            FARTHEST_M * far,
            float(rng.normal(0, 14)),
        )

    def _seen(self, sign: _Sign, distance: float, sway: float) -> tuple[float, float, float] | None:
        """The middle (x, y) and the size in pixels of a sign; None for one that is not drawn."""
        if distance < NEAREST_M * 0.7:
            return None
        width, height = self._size
        focal = 1.1 * width
        size = focal * PLATE_M / distance
        x = width / 2 + focal * sign.side_m / distance + sway
        y = height * 0.45 - focal * sign.height_m / distance
        if size < 3 or not (-size < x < width + size and -size < y < height + size):
            return None
        return x, y, size

    def _place(self, canvas: ImageArray, sign: _Sign, distance: float, sway: float) -> None:
        seen = self._seen(sign, distance, sway)
        if seen is None:
            return
        x, y, size = seen
        width, height = self._size
        focal = 1.1 * width
        pole_x, foot = round(x), min(height + 2, round(height * 0.45 + focal * 1.5 / distance))
        thick = max(1, round(size * 0.07))
        self._cv2.line(canvas, (pole_x, round(y)), (pole_x, foot), (120, 118, 112), thick)
        self._paste(canvas, sign, x, y, size)

    def _paste(self, canvas: ImageArray, sign: _Sign, x: float, y: float, size: float) -> None:
        face = sign.face
        while face.shape[0] > 2 * size and face.shape[0] > 8:  # no aliasing in far signs
            face = self._cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=self._cv2.INTER_AREA)
        corners = _corners(sign, x, y, size)
        low = np.floor(np.min(corners, axis=0)).astype(int) - 1
        high = np.ceil(np.max(corners, axis=0)).astype(int) + 2
        top, bottom = max(0, low[1]), min(canvas.shape[0], high[1])
        begin, end = max(0, low[0]), min(canvas.shape[1], high[0])
        if top >= bottom or begin >= end:
            return
        side = face.shape[0]
        source = np.asarray([(0, 0), (side, 0), (side, side), (0, side)], np.float32) - 0.5
        target = np.asarray(corners, np.float32) - np.asarray((begin, top), np.float32) - 0.5
        warp = self._cv2.getPerspectiveTransform(source, np.asarray(target, np.float32))
        plate = self._cv2.warpPerspective(face, warp, (int(end - begin), int(bottom - top)))
        coverage = plate[:, :, 3:].astype(np.float32) / 255
        region = canvas[top:bottom, begin:end]
        region[:] = np.rint(region + (plate[:, :, :3] * 0.92 - region) * coverage)


def _traveled(seconds: float) -> float:
    return (FARTHEST_M - NEAREST_M) * seconds / SCENE_S


def _corners(sign: _Sign, x: float, y: float, size: float) -> list[tuple[float, float]]:
    """Of the plate in the frame, clockwise from the left top."""
    half = size / 2
    squeeze, lean = math.cos(math.radians(sign.yaw)), math.sin(math.radians(sign.yaw)) * 0.08
    left, right = x - half * squeeze, x + half * squeeze
    return [
        (left, y - half * (1 - lean)),
        (right, y - half * (1 + lean)),
        (right, y + half * (1 + lean)),
        (left, y + half * (1 - lean)),
    ]


class StreetReader:
    """The street as a live source: frames come when the clock says so."""

    unreadable = 0

    def __init__(self, street: Street) -> None:
        self.fps = street.fps
        self._street = street
        self._began = time.monotonic()
        self._tick = -1

    def read(self) -> Read | None:
        elapsed = time.monotonic() - self._began
        self._tick = max(self._tick + 1, int(elapsed * self.fps))
        image = self._street.draw(self._tick)
        early = self._began + self._tick / self.fps - time.monotonic()
        if early > 0:
            time.sleep(early)
        return image, -1.0, ""

    def close(self) -> None:
        """Nothing is held."""


def open_street(address: str) -> StreetReader:
    """Open `synthetic[:SEED | :WIDTHxHEIGHT[@FPS]]`. Raises InputError for anything else."""
    _, _, rest = address.partition(":")
    if rest.isdecimal() or not rest:
        return StreetReader(Street(int(rest or 0)))
    shape = re.fullmatch(r"(\d{2,4})x(\d{2,4})(?:@(\d{1,3}))?", rest)
    if shape is None or int(shape[3] or 30) == 0:
        raise InputError(f"not a synthetic source: {address}", hint=f"pass {FORM}")
    width, height, fps = int(shape[1]), int(shape[2]), float(shape[3] or 30)
    if width < 64 or height < 64:
        raise InputError(f"a street is at least 64×64 pixels, received: {rest}")
    return StreetReader(Street(0, width=width, height=height, fps=fps))
