"""Detectors that end in TFLite's detection post-processing (SSD, EfficientDet-Lite).

Four outputs: boxes (n, m, 4) as shares (top, left, bottom, right), classes (n, m) from 0 without
background, scores (n, m), and how many of the m are filled (n,). Converters mix up their order;
the graph says which is which (`Postprocessing.order`), and where it does not, the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgecnn.detection.detections import Detections
from edgecnn.detection.heads.base import (
    Array,
    DetectorSignature,
    Head,
    detections,
    in_pixels,
    unexpected_outputs,
)
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing

EXPECTED = "boxes (n, m, 4), classes (n, m), scores (n, m) and a count (n,)"
PARTS = 4
WORDS = (("boxes", "location"), ("class", "categor"), ("score",), ("num", "count"))
"""What outputs are called, in the order boxes, classes, scores, count."""
OPERATOR = "tflite_detection_postprocess"


class SSD(Head):
    """Four outputs; `order` holds the places of boxes, classes, scores and count."""

    name: ClassVar[str] = "ssd"
    min_score: ClassVar[float] = 0.4
    top_first: ClassVar[bool] = True
    """Whether boxes are (top, left, bottom, right)."""

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        order = signature.parts or order_by_name(signature.names)
        if len(signature.outputs) != PARTS or len(order) != PARTS:
            return None
        return Postprocessing(cls.name, signature.class_names, order=order)

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return ImagePreprocessing(height, width, 3, scale=1 / 127.5, mean=(1.0,))

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        """[boxes (n, m, 4), classes (n, m), scores (n, m), count (n,)]."""
        del height, width
        order = self.settings.order
        if len(outputs) != PARTS or (order and sorted(order) != list(range(PARTS))):
            raise unexpected_outputs(self.name, EXPECTED, outputs)
        if order:
            boxes, classes, scores, count = (outputs[place] for place in order)
        else:
            boxes, classes, scores, count = self._sorted(outputs)
        count = count.reshape(len(count), -1) if count.ndim else count
        m = boxes.shape[1] if boxes.ndim == 3 else -1
        shapes = (boxes.shape[2:], classes.shape[1:], scores.shape[1:], count.shape[1:])
        if shapes != ((4,), (m,), (m,), (1,)):
            raise unexpected_outputs(self.name, EXPECTED, outputs)
        return [boxes, classes, scores, count[:, 0]]

    def _sorted(self, outputs: Sequence[Array]) -> list[Array]:
        boxes = [output for output in outputs if output.ndim == 3 and output.shape[2] == 4]
        pairs = [output for output in outputs if output.ndim == 2 and output.shape[1] > 1]
        counts = [output for output in outputs if output.ndim == 1 or output.shape[1:] == (1,)]
        if len(boxes) != 1 or len(pairs) != 2 or len(counts) != 1:
            raise unexpected_outputs(self.name, EXPECTED, outputs)
        whole = [bool((np.rint(pair) == pair).all()) for pair in pairs]
        if whole == [False, True]:  # scores are not whole numbers
            pairs.reverse()
        return [boxes[0], *pairs, counts[0]]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        boxes, classes, scores, count = outputs
        filled = float(np.asarray(count).reshape(-1)[0])
        filled = int(filled) if np.isfinite(filled) and 0 <= filled <= len(scores) else len(scores)
        scores = np.asarray(scores[:filled], np.float64)
        classes = np.asarray(classes[:filled], np.float64)
        solid = (scores >= max(min_score, 1e-9)) & np.isfinite(classes) & (classes > -0.5)
        places = np.flatnonzero(solid)
        places = places[np.argsort(-scores[places], kind="stable")]
        corners = np.asarray(boxes, np.float64)[places]
        if self.top_first:
            corners = corners[:, [1, 0, 3, 2]]
        corners = in_pixels(corners, height, width)
        return detections(corners, scores[places], np.rint(classes[places]), height, width)


def order_by_name(names: Sequence[str]) -> tuple[int, ...]:
    """The places of boxes, classes, scores and count by what the outputs are called; empty where
    that does not say.
    """
    plain = [name.casefold() for name in names]
    numbered = [OPERATOR, *(f"{OPERATOR}:{number}" for number in range(1, PARTS))]
    if sorted(plain) == numbered:
        return tuple(plain.index(name) for name in numbered)
    order = []
    for words in WORDS:
        places = [
            place
            for place, name in enumerate(plain)
            if any(name.startswith(word) or f"_{word}" in name for word in words)
        ]
        order.append(places)
    if any(len(places) != 1 for places in order):
        return ()
    return tuple(places[0] for places in order)
