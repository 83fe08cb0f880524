"""The faces of traffic signs, drawn flat: what a scene then tilts, lights, ages and soils.

A face is (SIZE, SIZE, 4) uint8, RGB and coverage, with the sign filling the square. Proportions
of the stop sign are those of MUTCD R1-1 (Standard Highway Signs, 30 inch): a regular octagon,
white border 0.75, legend 10 high. Other countries' words are drawn on the same plate, as the Vienna
Convention's sign B2a has it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.registry import require

Face = npt.NDArray[np.uint8]
Generator = np.random.Generator

SIZE = 160
_DRAWN = 2 * SIZE
"""Faces are drawn twice as large and shrunk, so that their edges are smooth."""

BORDER = 0.75 / 30
LEGEND_HEIGHT = 10 / 30
LEGEND_WIDTH = 0.74

WORDS = (
    "STOP", "STOP", "STOP", "STOP", "STOP", "STOP", "ALTO", "ALTO", "PARE", "PARE", "ARRÊT",
    "DUR", "СТОП", "STOJ", "ARRÊT\nSTOP", "STÓJ", "停", "止まれ", "정지", "قف", "STOP\n4-WAY",
)  # fmt: skip
REDS = ((178, 24, 40), (193, 18, 31), (160, 30, 45), (200, 40, 40), (185, 20, 60), (150, 20, 30))
WHITE = (240, 240, 238)
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel


def octagon(turned: bool = False) -> npt.NDArray[np.float32]:
    """Corners (8, 2) of a regular octagon that fills the unit square, sides upright."""
    near = 1 / (2 + math.sqrt(2))
    far = 1 - near
    corners = [
        (near, 0), (far, 0), (1, near), (1, far), (far, 1), (near, 1), (0, far), (0, near),
    ]  # fmt: skip
    points = np.asarray(corners, np.float32)
    if turned:
        angle = math.pi / 8
        spin = np.asarray(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], np.float32
        )
        points = np.asarray((points - 0.5) @ spin.T + 0.5, np.float32)
    return points


def stop_face(rng: Generator, *, word: str | None = None) -> Face:
    """A stop sign with a border and a word; `word=""` leaves the plate empty."""
    red = _vary(rng, REDS[rng.integers(len(REDS))])
    white = _vary(rng, WHITE, 12)
    canvas = _blank()
    outline = octagon()
    border = BORDER * float(rng.uniform(0.7, 1.8))
    # Many plates show a thin line of red outside the border. The ground reaches beyond the
    # outline, so that no black is mixed into the edge when the face shrinks.
    rim = float(rng.uniform(0.006, 0.02)) if rng.random() < 0.4 else 0.0
    _cv2().rectangle(canvas, (0, 0), canvas.shape[1::-1], red if rim else white, -1)
    _polygon(canvas, _inset(outline, rim), white)
    _polygon(canvas, _inset(outline, rim + border), red)
    _write_legend(canvas, WORDS[rng.integers(len(WORDS))] if word is None else word, white, rng)
    return _finish(canvas, outline)


def other_face(rng: Generator, kind: str | None = None) -> Face:
    """Something that is not a stop sign but shares its red, its shape or its place."""
    kinds = tuple(_OTHERS)
    return _OTHERS[kind or kinds[rng.integers(len(kinds))]](rng)


def _no_entry(rng: Generator) -> Face:
    canvas = _blank()
    rim = 0.02 if rng.random() < 0.5 else 0.0
    _disc(canvas, 0.5, WHITE)
    _disc(canvas, 0.5 - rim, _vary(rng, REDS[rng.integers(len(REDS))]))
    _box(canvas, (0.15, 0.41, 0.85, 0.59), _vary(rng, WHITE, 12))
    return _finish(canvas, None)


def _ring(rng: Generator) -> Face:
    """Speed limits and prohibitions: a red ring, inside white, yellow or blue."""
    canvas = _blank()
    inside = ((242, 242, 240), (242, 242, 240), (235, 200, 60), (40, 80, 170))[rng.integers(4)]
    _disc(canvas, 0.5, _vary(rng, REDS[rng.integers(len(REDS))]))
    _disc(canvas, float(rng.uniform(0.37, 0.43)), _vary(rng, inside))
    roll = rng.random()
    if roll < 0.6:
        number = str(rng.integers(1, 13) * 10)
        _text(canvas, number, 0.5, (0.55, 0.42), (25, 25, 25))
    elif roll < 0.8:
        _line(canvas, (0.2, 0.2), (0.8, 0.8), 0.08, REDS[0])
    else:
        _box(canvas, (0.3, 0.35, 0.7, 0.65), (30, 30, 35))
    return _finish(canvas, None)


def _red_disc(rng: Generator) -> Face:
    canvas = _blank()
    _disc(canvas, 0.5, _vary(rng, REDS[rng.integers(len(REDS))], 25))
    if rng.random() < 0.5:
        _text(canvas, _random_word(rng), 0.5, (0.7, 0.3), WHITE)
    return _finish(canvas, None)


def _yield(rng: Generator) -> Face:
    canvas = _blank()
    outer = np.asarray([(0.0, 0.06), (1.0, 0.06), (0.5, 0.94)], np.float32)
    if rng.random() < 0.3:
        outer[:, 1] = 1 - outer[:, 1]
    middle = outer.mean(axis=0)
    _polygon(canvas, outer, _vary(rng, REDS[rng.integers(len(REDS))]))
    inner = middle + (outer - middle) * float(rng.uniform(0.5, 0.72))
    _polygon(canvas, inner, _vary(rng, WHITE if rng.random() < 0.8 else (235, 200, 60), 12))
    return _finish(canvas, outer)


def _diamond(rng: Generator) -> Face:
    canvas = _blank()
    outer = np.asarray([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)], np.float32)
    colors = ((240, 190, 30), (240, 130, 30), (250, 250, 245), (185, 25, 35))
    _polygon(canvas, outer, (20, 20, 20))
    _polygon(canvas, _inset(outer, 0.02), _vary(rng, colors[rng.integers(len(colors))], 20))
    if rng.random() < 0.6:
        _text(canvas, _random_word(rng), 0.5, (0.5, 0.25), (20, 20, 20))
    return _finish(canvas, outer)


def _other_octagon(rng: Generator) -> Face:
    """Blue, green, yellow or bare metal: the back of a stop sign, or an advertisement."""
    colors = ((35, 70, 160), (30, 120, 60), (235, 195, 40), (150, 152, 155), (110, 112, 115))
    color = _vary(rng, colors[rng.integers(len(colors))], 20)
    canvas = _blank()
    outline = octagon()
    bare = max(color) - min(color) < 60
    _polygon(canvas, outline, color if bare else WHITE)
    _polygon(canvas, _inset(outline, 0.03), color)
    if not bare:
        _text(canvas, _random_word(rng), 0.5, (0.7, 0.3), WHITE)
    return _finish(canvas, outline)


def _board(rng: Generator) -> Face:
    """A shop sign, a poster, a red number plate: a rectangle with writing."""
    canvas = _blank()
    tall = float(rng.uniform(0.25, 1.0))
    top = (1 - tall) / 2
    outline = np.asarray([(0, top), (1, top), (1, 1 - top), (0, 1 - top)], np.float32)
    red = _vary(rng, REDS[rng.integers(len(REDS))], 25)
    ground = red if rng.random() < 0.75 else tuple(int(v) for v in rng.integers(0, 255, 3))
    _polygon(canvas, outline, WHITE if rng.random() < 0.4 else ground)
    _polygon(canvas, _inset(outline, 0.03), ground)
    word = "STOP" if rng.random() < 0.05 else _random_word(rng)
    _text(canvas, word, 0.5, (0.8, tall * 0.55), WHITE)
    return _finish(canvas, outline)


def _blue_disc(rng: Generator) -> Face:
    canvas = _blank()
    _disc(canvas, 0.5, WHITE)
    _disc(canvas, 0.47, _vary(rng, (35, 80, 170), 20))
    _box(canvas, (0.44, 0.2, 0.56, 0.8), WHITE)
    return _finish(canvas, None)


def _traffic_light(rng: Generator) -> Face:
    canvas = _blank()
    outline = np.asarray([(0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)], np.float32)
    _polygon(canvas, outline, _vary(rng, (28, 30, 30), 12))
    lit = int(rng.integers(3))
    for index, color in enumerate(((235, 40, 40), (240, 170, 40), (50, 200, 110))):
        lamp = color if index == lit or rng.random() < 0.1 else (45, 45, 45)
        _disc(canvas, 0.14, _vary(rng, lamp), 0.5, 0.18 + 0.32 * index)
    return _finish(canvas, outline)


def _brake_lights(rng: Generator) -> Face:
    """The back of a car: two red lamps on a body."""
    canvas = _blank()
    outline = np.asarray([(0, 0.3), (0.15, 0.1), (0.85, 0.1), (1, 0.3), (1, 0.9), (0, 0.9)])
    outline = outline.astype(np.float32)
    body = tuple(int(v) for v in rng.integers(10, 230, 3))
    if rng.random() < 0.3:
        body = _vary(rng, REDS[rng.integers(len(REDS))], 25)
    _polygon(canvas, outline, body)
    _box(canvas, (0.2, 0.15, 0.8, 0.4), (40, 50, 60))
    for left in (0.04, 0.82):
        _box(canvas, (left, 0.45, left + 0.14, 0.6), _vary(rng, (230, 30, 30), 25))
    _box(canvas, (0.38, 0.62, 0.62, 0.74), WHITE)
    return _finish(canvas, outline)


_OTHERS = {
    "no_entry": _no_entry,
    "ring": _ring,
    "red_disc": _red_disc,
    "yield": _yield,
    "diamond": _diamond,
    "octagon": _other_octagon,
    "board": _board,
    "blue_disc": _blue_disc,
    "traffic_light": _traffic_light,
    "brake_lights": _brake_lights,
}
OTHER_KINDS = tuple(_OTHERS)


def _cv2() -> Any:
    return require("cv2", "opencv")


def _blank() -> Face:
    return np.zeros((_DRAWN, _DRAWN, 3), np.uint8)


def _vary(rng: Generator, color: tuple[int, ...], spread: int = 15) -> tuple[int, ...]:
    shifted = np.asarray(color) + rng.integers(-spread, spread + 1, 3)
    return tuple(int(value) for value in np.clip(shifted, 0, 255))


def _fixed(points: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    return np.rint(points * (_DRAWN * (1 << _SHIFT)) - (1 << (_SHIFT - 1))).astype(np.int32)


def _polygon(canvas: Face, points: npt.NDArray[np.float32], color: tuple[int, ...]) -> None:
    cv2 = _cv2()
    cv2.fillConvexPoly(canvas, _fixed(points), color, cv2.LINE_8, _SHIFT)


def _disc(
    canvas: Face, radius: float, color: tuple[int, ...], x: float = 0.5, y: float = 0.5
) -> None:
    center = (round(x * _DRAWN), round(y * _DRAWN))
    _cv2().circle(canvas, center, round(radius * _DRAWN), color, -1)


def _box(canvas: Face, edges: tuple[float, float, float, float], color: tuple[int, ...]) -> None:
    left, top, right, bottom = edges
    canvas[
        round(top * _DRAWN) : round(bottom * _DRAWN), round(left * _DRAWN) : round(right * _DRAWN)
    ] = color


def _line(
    canvas: Face,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    color: tuple[int, ...],
) -> None:
    ends = [(round(x * _DRAWN), round(y * _DRAWN)) for x, y in (start, end)]
    _cv2().line(canvas, *ends, color, round(width * _DRAWN))


def _inset(points: npt.NDArray[np.float32], distance: float) -> npt.NDArray[np.float32]:
    """Move every side of a polygon around (0.5, 0.5) inwards by about `distance`."""
    centered = points - 0.5
    inner_radius = np.abs(centered).max()
    return np.asarray(0.5 + centered * (1 - distance / inner_radius), np.float32)


def _write_legend(canvas: Face, word: str, color: tuple[int, ...], rng: Generator) -> None:
    lines = word.split("\n") if word else []
    stretch = float(rng.uniform(0.88, 1.1))
    for index, line in enumerate(lines):
        height = LEGEND_HEIGHT * stretch * (1.0 if len(lines) == 1 else 0.62)
        width = LEGEND_WIDTH * min(1.0, 0.3 + 0.2 * len(line)) * stretch
        y = 0.5 + (index - (len(lines) - 1) / 2) * height * 1.25
        _text(canvas, line, y, (width, height), color)


def _random_word(rng: Generator) -> str:
    letters = "ABCDEFGHIKLMNOPRSTUVXZ0123456789"
    return "".join(letters[index] for index in rng.integers(len(letters), size=rng.integers(2, 7)))


def _text(
    canvas: Face, word: str, y: float, extent: tuple[float, float], color: tuple[int, ...]
) -> None:
    """Write `word` so that its ink fills `extent` (width, height) around (0.5, y)."""
    cv2 = _cv2()
    width, height = extent
    ink = _ink(word)
    columns, rows = max(2, round(width * _DRAWN)), max(2, round(height * _DRAWN))
    mask = cv2.resize(ink, (columns, rows), interpolation=cv2.INTER_AREA)
    left, top = round(0.5 * _DRAWN - columns / 2), round(y * _DRAWN - rows / 2)
    left, top = max(0, left), max(0, top)
    patch = canvas[top : top + rows, left : left + columns]
    coverage = mask[: patch.shape[0], : patch.shape[1], None].astype(np.float32) / 255
    patch[:] = np.rint(patch + (np.asarray(color, np.float32) - patch) * coverage)


@lru_cache(maxsize=512)
def _ink(word: str) -> npt.NDArray[np.uint8]:
    """A word's coverage, cropped to its ink.

    OpenCV 5 carries fonts with every script of WORDS; OpenCV 4 draws Latin strokes only, and
    there a word in another script becomes STOP.
    """
    cv2 = _cv2()
    sheet = np.zeros((160, 130 * max(len(word), 2) + 60, 3), np.uint8)
    if hasattr(cv2, "FontFace"):
        asian = any(ord(letter) > 0x2000 for letter in word)
        font = cv2.FontFace("uni" if asian else "sans")
        cv2.putText(sheet, word, (20, 120), (255, 255, 255), font, 90, 800)
        if asian:  # this font has one thin weight; signs are bold
            sheet = cv2.dilate(sheet, np.ones((7, 7), np.uint8))
    else:
        latin = word.replace("Ê", "E").replace("Ó", "O")
        latin = latin if latin.isascii() else "STOP"
        cv2.putText(sheet, latin, (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 3.2, (255,) * 3, 16)
    ink = sheet[:, :, 0]
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if rows.size == 0:
        return np.full((4, 4), 255, np.uint8)
    return np.ascontiguousarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _finish(canvas: Face, outline: npt.NDArray[np.float32] | None) -> Face:
    """Shrink to SIZE and add the coverage of `outline` (None: the inscribed disc)."""
    cv2 = _cv2()
    mask = np.zeros((_DRAWN, _DRAWN), np.uint8)
    if outline is None:
        cv2.circle(mask, (_DRAWN // 2, _DRAWN // 2), _DRAWN // 2 - 1, 255, -1)
    else:
        cv2.fillConvexPoly(mask, _fixed(outline), 255, cv2.LINE_8, _SHIFT)
    face = np.empty((SIZE, SIZE, 4), np.uint8)
    face[:, :, :3] = cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    face[:, :, 3] = cv2.resize(mask, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return face
