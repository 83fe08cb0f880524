"""Compute the network's evidence for a detection.

Three layers of it, from the pixels to the answer: how red the image is, the edges that the
first layer's own filters see, and the heat map whose peaks become boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.detection.heads.heat_map import HeatMap
from edgecnn.registry import require
from edgecnn.vision.detectors.detector import Detector
from edgecnn.vision.evidence.first_layer import edge_strength, read_first_layer
from edgecnn.vision.pipeline.detecting import RawOutputs
from edgecnn.vision.sources.frames import ImageArray

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """Maps over the part of the network's input that holds the image, each 0…1.

    `edges` and `heat` are None where the detector does not let one look inside. Of several
    classes, `heat` is that of the best one that is looked for.
    """

    redness: Floats
    edges: Floats | None
    heat: Floats | None


class Explainer:
    """Makes evidence for one detector; reads its first layer once."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector if isinstance(detector, Detector) else None
        self._first = read_first_layer(detector.artifact.path) if self._detector else None

    def evidence(self, image: ImageArray, inside: RawOutputs | None) -> Evidence:
        """What led to the answer for `image` (h, w, 3) BGR."""
        red = redness(image)
        if self._detector is None or inside is None:
            return Evidence(red, None, None)
        height, width, _ = self._detector.preprocessing.shape
        place = inside.place
        rows, columns = slice(place.top, place.top + place.height), slice(
            place.left, place.left + place.width
        )  # fmt: skip
        cv2 = require("cv2", "opencv")
        heat = None
        if isinstance(self._detector.head, HeatMap):
            own = self._detector.own(inside.outputs)
            logits = self._detector.head.ordered(own, height, width)[0][0]
            wanted = self._detector.classes
            logits = logits if wanted is None else logits[:, :, list(wanted)]
            scores = 1 / (1 + np.exp(-logits.max(axis=2).astype(np.float32)))
            heat = cv2.resize(scores, (width, height), interpolation=cv2.INTER_LINEAR)
            heat = heat[rows, columns]
        edges = None
        if self._first is not None:
            kernel, stride = self._first
            strength = edge_strength(self._seen(image, inside), kernel, stride)
            loud = max(float(np.quantile(strength, 0.995)), 1e-6)
            edges = np.clip(strength / np.float32(loud), 0, 1)
        return Evidence(red, edges, heat)

    def _seen(self, image: ImageArray, inside: RawOutputs) -> Floats:
        """The image in the size in which the network got it, RGB, 0…1."""
        cv2 = require("cv2", "opencv")
        size = (inside.place.width, inside.place.height)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(small[:, :, ::-1] / np.float32(255), np.float32)


def redness(image: ImageArray) -> Floats:
    """How far red stands above green and blue, 0…1, at a quarter of a megapixel at most."""
    cv2 = require("cv2", "opencv")
    height, width = image.shape[:2]
    ratio = min(1.0, 512 / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    above = small[:, :, 2] - np.maximum(small[:, :, 0], small[:, :, 1])
    return np.asarray(np.clip(above / 128, 0, 1), np.float32)
