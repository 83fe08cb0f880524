"""Drawing on a frame: boxes, and the panel with what the machine is doing. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecnn.deprecation import old_names
from edgecnn.registry import require
from edgecnn.vision.pipeline.timing import StageTime
from edgecnn.vision.sources.frames import ImageArray
from edgecnn.vision.tracking import SIGN, Track

Color = tuple[int, int, int]

FOUND: Color = (90, 235, 70)
EXPECTED: Color = (160, 160, 160)
INK: Color = (20, 20, 20)
PAPER: Color = (245, 245, 245)
FAINT: Color = (175, 175, 175)
WARNING: Color = (60, 200, 255)
SMALLEST_FOR_TEXT = 96
"""Pixels of the shorter side below which a frame gets boxes and no text."""


@dataclass(frozen=True)
class StatusPanel:
    """What the panel says."""

    fps: float = 0.0
    model: str = ""
    runtime: str = ""
    precision: str = ""
    drops: int = 0
    stages: Mapping[str, StageTime] = field(default_factory=dict)
    recording: bool = False
    paused: bool = False
    notices: Sequence[str] = ()


def draw(image: ImageArray, tracks: Sequence[Track], hud: StatusPanel | None = None) -> ImageArray:
    """A copy of `image` with the tracks and, where it is given, the panel on it."""
    canvas = image.copy()
    if hud is not None:
        draw_hud(canvas, hud)
    draw_tracks(canvas, tracks)  # on top: no panel hides a sign
    return canvas


def draw_tracks(canvas: ImageArray, tracks: Sequence[Track]) -> None:
    """Boxes with score and number; a track that is only expected is thin and gray."""
    cv2 = require("cv2", "opencv")
    unit = _unit(canvas)
    for track in reversed(tracks):  # the best one last, on top
        left, top, right, bottom = _inside(canvas, track)
        color = FOUND if track.seen else EXPECTED
        thick = max(1, round((2.2 if track.seen else 1) * unit))
        cv2.rectangle(canvas, (left, top), (right, bottom), INK, thick + max(2, round(unit)))
        cv2.rectangle(canvas, (left, top), (right, bottom), color, thick)
        if min(canvas.shape[:2]) >= SMALLEST_FOR_TEXT:
            name = "STOP" if track.label == SIGN else track.label
            _chip(cv2, canvas, f"{name} {track.score:.2f}  #{track.id}", (left, top, bottom), color)


def draw_hud(canvas: ImageArray, hud: StatusPanel) -> None:
    """The panel in the top left corner, and notices at the bottom."""
    height, width = canvas.shape[:2]
    if min(height, width) < SMALLEST_FOR_TEXT:
        return
    text = Text(canvas)
    what = " ".join(part for part in (hud.runtime, hud.precision) if part)
    rate = f"{hud.fps:.1f} fps" if hud.fps else "- fps"
    head = f"{rate}   dropped {hud.drops}"
    lines = [(head, PAPER), (hud.model, FAINT), (what, FAINT)]
    rows = [(stage, _number(time.p50_ms), _number(time.p95_ms))
            for stage, time in hud.stages.items()]  # fmt: skip
    longest = [max((text.width(row[i]) for row in rows), default=0) for i in range(3)]
    gap, least = text.width("MM"), text.width("p95")
    columns = (longest[0] + gap, max(longest[1], least), gap + max(longest[2], least))
    wide = max([text.width(line) for line, _ in lines] + [sum(columns)])
    tall = len([line for line, _ in lines if line]) + (len(rows) + 1 if rows else 0)
    pad = text.line // 2
    box = (pad, pad, pad + wide + 2 * pad, pad + tall * text.line + pad)
    darken(canvas, box)
    x, y = 2 * pad, box[1] + text.line
    for line, color in lines:
        if line:
            text.put(line, x, y, color)
            y += text.line
    if rows:
        ends = (x + columns[0] + columns[1], x + sum(columns))
        text.put("ms", x, y, FAINT)
        for end, title in zip(ends, ("p50", "p95"), strict=True):
            text.put(title, end - text.width(title), y, FAINT)
        for stage, *numbers in rows:
            y += text.line
            text.put(stage, x, y, PAPER)
            for end, number in zip(ends, numbers, strict=True):
                text.put(number, end - text.width(number), y, PAPER)
    _states(text, canvas, hud, pad)


def _states(text: Text, canvas: ImageArray, hud: StatusPanel, pad: int) -> None:
    height, width = canvas.shape[:2]
    states = [("REC", (60, 60, 235))] if hud.recording else []
    states += [("PAUSED", WARNING)] if hud.paused else []
    y = pad
    for state, color in states:
        wide = text.width(state) + 2 * pad
        box = (width - pad - wide, y, width - pad, y + text.line + pad)
        darken(canvas, box)
        text.put(state, box[0] + pad, y + text.line, color)
        y = box[3] + pad // 2
    notices = [text.shortened(notice, width - 4 * pad) for notice in hud.notices if notice]
    y = height - pad - len(notices) * text.line
    if notices:
        wide = max(text.width(notice) for notice in notices)
        darken(canvas, (pad, y - pad, wide + 3 * pad, height - pad // 2))
    for notice in notices:
        text.put(notice, 2 * pad, y + text.line * 3 // 4, WARNING)
        y += text.line


class Text:
    """Text whose size follows the frame's."""

    def __init__(self, canvas: ImageArray, unit: float | None = None) -> None:
        self._cv2: Any = require("cv2", "opencv")
        self._canvas = canvas
        unit = _unit(canvas) if unit is None else unit
        self._scale = 0.42 * unit
        self._thick = max(1, round(unit))
        self.line = max(9, round(17 * unit))

    def width(self, text: str) -> int:
        size, _ = self._cv2.getTextSize(
            text, self._cv2.FONT_HERSHEY_SIMPLEX, self._scale, self._thick
        )
        return int(size[0])

    def shortened(self, text: str, limit: int) -> str:
        """ASCII, which is all that OpenCV's stroke fonts have, and no wider than `limit`."""
        plain = text.replace("…", "...").encode("ascii", "replace").decode()
        while len(plain) > 4 and self.width(plain) > limit:
            plain = plain[:-4] + "..."
        return plain

    def put(self, text: str, x: int, y: int, color: Color) -> None:
        plain = text.encode("ascii", "replace").decode()
        font, aliased = self._cv2.FONT_HERSHEY_SIMPLEX, self._cv2.LINE_AA
        self._cv2.putText(
            self._canvas, plain, (x, y), font, self._scale, color, self._thick, aliased
        )


def _chip(cv2: Any, canvas: ImageArray, label: str, at: tuple[int, int, int], color: Color) -> None:
    """The label above its box, below where there is no room, never outside of the frame."""
    text = Text(canvas)
    left, top, bottom = at
    pad = max(2, text.line // 4)
    wide, tall = text.width(label) + 2 * pad, text.line + pad // 2
    x = max(0, min(left, canvas.shape[1] - wide))
    y = top - tall if top >= tall else min(bottom, canvas.shape[0] - tall)
    cv2.rectangle(canvas, (x, y), (x + wide, y + tall), color, -1)
    text.put(label, x + pad, y + tall - pad - 1, INK)


def darken(canvas: ImageArray, box: tuple[int, int, int, int]) -> None:
    """Make a ground for text: a third of the light in (left, top, right, bottom)."""
    left, top, right, bottom = (max(0, value) for value in box)
    region = canvas[top:bottom, left:right]
    region[:] = (region.astype(np.uint16) * 7 // 20).astype(np.uint8)


def _unit(canvas: ImageArray) -> float:
    """1 for a frame of 480 lines; text and lines grow with it."""
    height, width = canvas.shape[:2]
    return float(max(0.5, min(height / 480, width / 560)))


def _inside(canvas: ImageArray, track: Track) -> tuple[int, int, int, int]:
    height, width = canvas.shape[:2]
    left, top, right, bottom = track.xyxy
    x = [round(min(max(value, 0), width - 1)) for value in (left, right)]
    y = [round(min(max(value, 0), height - 1)) for value in (top, bottom)]
    return x[0], y[0], x[1], y[1]


def _number(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


__getattr__ = old_names(__name__, {"Hud": "StatusPanel"})
