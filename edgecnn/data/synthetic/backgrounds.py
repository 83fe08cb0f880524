"""Synthetic street backgrounds: sky, ground, road, trees, walls and clutter."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.registry import require

ImageArray = npt.NDArray[np.uint8]
Generator = np.random.Generator

_SKIES = ((120, 170, 225), (190, 205, 220), (225, 228, 230), (150, 160, 175), (240, 200, 160))
_GROUNDS = ((110, 110, 105), (120, 105, 85), (90, 115, 70), (150, 148, 140), (80, 80, 84))
_WALLS = ((165, 120, 95), (200, 190, 170), (150, 150, 155), (130, 70, 60), (95, 100, 110))
_LEAVES = ((60, 95, 45), (85, 110, 50), (45, 70, 40), (120, 110, 50), (150, 90, 40))


def draw_background(rng: Generator, height: int, width: int) -> ImageArray:
    """One random street, or one random texture, (height, width, 3) uint8 RGB."""
    canvas = _clutter(rng, height, width) if rng.random() < 0.15 else _street(rng, height, width)
    strength = float(rng.uniform(4, 26))
    return _add(canvas, grain(rng, height, width, octave=int(rng.integers(0, 4))), strength)


def grain(rng: Generator, height: int, width: int, *, octave: int) -> npt.NDArray[np.int8]:
    """Noise (height, width, 3) about −127…127 whose spots are 2^octave pixels wide.

    Cut at a random place from a sheet that is made once: drawing normal numbers for every
    pixel of every scene would take longer than all the rest.
    """
    return _cut(_sheet(octave), rng, height, width)


def _cut(sheet: npt.NDArray[Any], rng: Generator, height: int, width: int) -> npt.NDArray[Any]:
    """A random window of a sheet, tiled where the sheet is too small."""
    top = int(rng.integers(0, sheet.shape[0] - height)) if sheet.shape[0] > height else 0
    left = int(rng.integers(0, sheet.shape[1] - width)) if sheet.shape[1] > width else 0
    cut = sheet[top : top + height, left : left + width]
    if cut.shape[:2] != (height, width):
        repeats = (-(-height // cut.shape[0]), -(-width // cut.shape[1]))
        cut = np.tile(cut, (*repeats, 1)[: cut.ndim])[:height, :width]
    return cut


@lru_cache(maxsize=8)
def _sheet(octave: int) -> npt.NDArray[np.int8]:
    cv2 = require("cv2", "opencv")
    side = 1024
    rng = np.random.default_rng([20091, octave])
    small = rng.standard_normal((side >> octave, side >> octave, 3)).astype(np.float32)
    small = 0.75 * small.mean(axis=2, keepdims=True) * 1.7 + 0.25 * small
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large * 42, -127, 127), np.int8)


@lru_cache(maxsize=1)
def _ragged() -> ImageArray:
    """A mask (1024, 1024) of 0 and 255 that makes the edge of leaves ragged."""
    return np.where(_sheet(2)[:, :, 0] > -40, 255, 0).astype(np.uint8)


def _add(canvas: ImageArray, noise: npt.NDArray[np.int8], strength: float) -> ImageArray:
    """canvas + noise × strength / 42, saturating."""
    cv2 = require("cv2", "opencv")
    return np.asarray(
        cv2.addWeighted(canvas, 1.0, noise, strength / 42, 0.0, dtype=cv2.CV_8U), np.uint8
    )


def _pick(
    rng: Generator, colors: tuple[tuple[int, ...], ...], spread: int = 25
) -> npt.NDArray[np.float32]:
    base = np.asarray(colors[rng.integers(len(colors))], np.float32)
    return np.asarray(np.clip(base + rng.integers(-spread, spread + 1, 3), 0, 255), np.float32)


def _tuple(color: npt.NDArray[np.float32]) -> tuple[int, int, int]:
    return int(color[0]), int(color[1]), int(color[2])


def _fill(region: ImageArray, color: npt.NDArray[np.float32]) -> None:
    cv2 = require("cv2", "opencv")
    if region.size:
        height, width = region.shape[:2]
        cv2.rectangle(region, (0, 0), (width - 1, height - 1), _tuple(color), cv2.FILLED)


def _street(rng: Generator, height: int, width: int) -> ImageArray:
    cv2 = require("cv2", "opencv")
    horizon = int(height * rng.uniform(0.3, 0.75))
    ramp = np.linspace(0, 1, max(horizon, 1), dtype=np.float32)[:, None]
    top, low = _pick(rng, _SKIES), _pick(rng, _SKIES)
    column = np.concatenate(
        [
            top + (low - top) * ramp,
            _pick(rng, _GROUNDS)
            + np.linspace(-12, 12, height - horizon, dtype=np.float32)[:, None],
        ]
    )
    # NumPy's broadcasting copies three bytes at a time: twenty times as slow.
    canvas = np.asarray(
        cv2.repeat(np.clip(column, 0, 255).astype(np.uint8)[:, None], 1, width), np.uint8
    )
    if rng.random() < 0.35:
        _clouds(canvas[:horizon], rng)
    for _ in range(int(rng.integers(0, 5))):
        _building(canvas, rng, horizon)
    for _ in range(int(rng.integers(0, 4))):
        _foliage(canvas, rng, horizon)
    if rng.random() < 0.75:
        _road(canvas, rng, horizon)
    for _ in range(int(rng.integers(0, 6))):
        x = int(rng.integers(0, width))
        shade = int(rng.integers(20, 200))
        lean = int(rng.integers(-6, 7))
        start = int(rng.integers(0, max(horizon, 1)))
        bottom = min(height, horizon + int(rng.integers(0, height // 3 + 1)))
        cv2.line(canvas, (x, start), (x + lean, bottom), (shade,) * 3, int(rng.integers(1, 7)))
    for _ in range(int(rng.integers(0, 4))):  # wires
        y0, y1 = (int(v) for v in rng.integers(0, max(horizon, 1), 2))
        cv2.line(canvas, (0, y0), (width, y1), (40, 40, 40), 1)
    for _ in range(int(rng.integers(0, 4))):  # cars, bins, people: patches of any color
        _patch(canvas, rng, horizon)
    return canvas


def _clouds(sky: ImageArray, rng: Generator) -> None:
    if sky.shape[0] > 8:
        sky[:] = _add(sky, grain(rng, sky.shape[0], sky.shape[1], octave=6), 22)


def _building(canvas: ImageArray, rng: Generator, horizon: int) -> None:
    height, width = canvas.shape[:2]
    left = int(rng.integers(-width // 4, width))
    right = left + int(rng.integers(width // 8 + 1, width // 2 + 2))
    top = int(rng.integers(0, max(horizon, 1)))
    bottom = min(height, horizon + int(rng.integers(0, height // 10 + 1)))
    left, right = max(left, 0), min(right, width)
    _fill(canvas[top:bottom, left:right], _pick(rng, _WALLS))
    if rng.random() < 0.6:
        step = int(rng.integers(8, 40))
        pane = max(2, int(step * rng.uniform(0.3, 0.7)))
        color = _pick(rng, ((40, 50, 65), (190, 205, 215), (90, 90, 90)))
        for y in range(top + step // 2, bottom - pane, step):
            for x in range(left + step // 2, right - pane, step):
                canvas[y : y + pane, x : x + pane] = color
    elif rng.random() < 0.5:  # courses of brick or siding
        canvas[top : bottom : int(rng.integers(4, 14)), left:right] //= 2


def _foliage(canvas: ImageArray, rng: Generator, horizon: int) -> None:
    cv2 = require("cv2", "opencv")
    height, width = canvas.shape[:2]
    x, y = int(rng.integers(0, width)), int(rng.integers(0, horizon + height // 8 + 1))
    reach = int(rng.integers(width // 16 + 1, width // 3 + 2))
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(3, 9))):
        center = (x + int(rng.normal(0, reach / 2)), y + int(rng.normal(0, reach / 2)))
        cv2.circle(mask, center, int(rng.integers(3, reach + 4)), 255, -1)
    top, bottom = max(0, y - 2 * reach), min(height, y + 2 * reach)
    left, right = max(0, x - 2 * reach), min(width, x + 2 * reach)
    if bottom <= top or right <= left:
        return
    leaves = np.empty((bottom - top, right - left, 3), np.uint8)
    _fill(leaves, _pick(rng, _LEAVES))
    noise = grain(rng, *leaves.shape[:2], octave=int(rng.integers(1, 4)))
    leaves = _add(leaves, noise, float(rng.uniform(20, 45)))
    edge = _cut(_ragged(), rng, *leaves.shape[:2])
    inside = cv2.bitwise_and(mask[top:bottom, left:right], edge)
    canvas[top:bottom, left:right] = cv2.copyTo(leaves, inside, canvas[top:bottom, left:right])


def _road(canvas: ImageArray, rng: Generator, horizon: int) -> None:
    cv2 = require("cv2", "opencv")
    height, width = canvas.shape[:2]
    vanish = int(rng.integers(0, width))
    spread = int(rng.integers(width // 4 + 1, width + 2))
    gray = int(rng.integers(55, 140))
    middle = int(rng.integers(0, width))
    corners = np.asarray(
        [(vanish - 3, horizon), (vanish + 3, horizon), (middle + spread, height),
         (middle - spread, height)], np.int32,
    )  # fmt: skip
    cv2.fillConvexPoly(canvas, corners, (gray, gray, gray))
    if rng.random() < 0.7:
        paint = (215, 215, 210) if rng.random() < 0.7 else (220, 185, 60)
        for start in np.arange(0.1, 1.0, 0.18):
            ends = [
                (
                    int(vanish + (middle - vanish) * t),
                    int(horizon + (height - horizon) * t),
                )
                for t in (start, start + 0.09)
            ]
            cv2.line(canvas, ends[0], ends[1], paint, max(1, int(6 * start)))


def _patch(canvas: ImageArray, rng: Generator, horizon: int) -> None:
    height, width = canvas.shape[:2]
    x = int(rng.integers(0, width))
    y = int(rng.integers(horizon // 2, height))
    w, h = (int(v) for v in rng.integers(4, max(6, width // 5), 2))
    color = rng.integers(0, 256, 3)
    if rng.random() < 0.3:
        color = np.asarray((190, 30, 40)) + rng.integers(-30, 31, 3)
    canvas[y : y + h, x : x + w] = color
    canvas[y + h // 4 : y + h // 2, x + w // 8 : x + w - w // 8] //= 3


def _clutter(rng: Generator, height: int, width: int) -> ImageArray:
    """Colors and edges without any meaning: what is left when nothing can be relied on."""
    cv2 = require("cv2", "opencv")
    small = rng.integers(0, 256, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3), np.uint8)
    canvas = np.ascontiguousarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8
    )
    for _ in range(int(rng.integers(4, 24))):
        corners = rng.integers(0, (width, height), (int(rng.integers(3, 6)), 2)).astype(np.int32)
        if rng.random() < 0.5:
            corners = (corners[:1] + (corners - corners[:1]) // 4).astype(np.int32)
        cv2.fillPoly(canvas, [corners], _tuple(rng.integers(0, 256, 3).astype(np.float32)))
    return canvas
