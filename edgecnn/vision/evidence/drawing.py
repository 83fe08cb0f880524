"""The network's own evidence, laid over the image. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.registry import require
from edgecnn.vision.evidence.computing import Evidence
from edgecnn.vision.overlay import FAINT, PAPER, Text, darken
from edgecnn.vision.sources.frames import ImageArray

Floats = npt.NDArray[np.float32]

FIRES_FROM = 0.05
"""Scores below leave the image as it is."""


def lay_heat_over(image: ImageArray, evidence: Evidence) -> ImageArray:
    """A copy of `image` that glows where the heat map fires."""
    if evidence.heat is None:
        return image.copy()
    cv2 = require("cv2", "opencv")
    canvas = image.copy()
    heat = _enlarged(evidence.heat, *image.shape[:2])
    hot = heat > FIRES_FROM
    rows, columns = np.flatnonzero(hot.any(axis=1)), np.flatnonzero(hot.any(axis=0))
    if not rows.size:
        return canvas
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    glow = cv2.applyColorMap(np.rint(heat[part] * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = np.clip((heat[part] - FIRES_FROM) / 0.4, 0, 1)[:, :, None] * np.float32(0.7)
    region = canvas[part]
    region[:] = (region + (glow - region.astype(np.float32)) * weight).astype(np.uint8)
    return canvas


def with_evidence(canvas: ImageArray, image: ImageArray, evidence: Evidence) -> ImageArray:
    """`canvas` with a column next to it: redness, first-layer edges and heat map of `image`.

    The result is a third wider; each panel keeps the frame's aspect.
    """
    cv2 = require("cv2", "opencv")
    height, width = canvas.shape[:2]
    tall = height // 3
    wide = max(1, round(width * tall / height))
    if tall < 8:
        return canvas
    gray = cv2.cvtColor(cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA),
                        cv2.COLOR_BGR2GRAY)  # fmt: skip
    panels = [
        _panel(gray, evidence.redness, "red above green, blue", (40, 40, 255)),
        _panel(gray, evidence.edges, "first-layer edges", (255, 235, 120)),
        _heat_panel(gray, evidence.heat, "heat map: middles"),
    ]
    column = np.zeros((height, wide, 3), np.uint8)
    for index, panel in enumerate(panels):
        column[index * tall : index * tall + tall] = panel
    column[::tall][:3] = 60
    return np.concatenate([canvas, column], axis=1)


def _panel(
    gray: ImageArray, strength: Floats | None, title: str, color: tuple[int, ...]
) -> ImageArray:
    base = np.repeat((gray // 4)[:, :, None], 3, axis=2)
    if strength is None:
        return _titled(base, f"{title}: not available")
    opacity = np.clip(_enlarged(strength, *gray.shape), 0, 1)[:, :, None]
    return _titled(
        np.asarray(base + (np.asarray(color, np.float32) - base) * opacity, np.uint8), title
    )


def _heat_panel(gray: ImageArray, heat: Floats | None, title: str) -> ImageArray:
    if heat is None:
        return _titled(np.repeat((gray // 4)[:, :, None], 3, axis=2), f"{title}: not available")
    cv2 = require("cv2", "opencv")
    enlarged = _enlarged(heat, *gray.shape)
    glow = cv2.applyColorMap(np.rint(enlarged * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    base = np.repeat((gray // 3)[:, :, None], 3, axis=2)
    panel = np.maximum(glow, base // 2)
    return _titled(panel, f"{title}  max {float(heat.max()):.2f}")


def _titled(panel: ImageArray, title: str) -> ImageArray:
    text = Text(panel, unit=max(0.5, min(1.2, panel.shape[1] / 230)))
    if panel.shape[0] > 3 * text.line:
        darken(panel, (0, 0, panel.shape[1], text.line + 4))
        text.put(text.shortened(title, panel.shape[1] - 8), 5, text.line - 2,
                 FAINT if title.endswith("available") else PAPER)  # fmt: skip
    return panel


def _enlarged(values: npt.NDArray[Any], height: int, width: int) -> Floats:
    cv2 = require("cv2", "opencv")
    resized = cv2.resize(
        np.asarray(values, np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(resized, np.float32)
