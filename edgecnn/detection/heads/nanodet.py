"""NanoDet's heads: class scores and, for each side of a box, a distribution over distances.

Rows are (a score for each class, 4 × 8 logits); a side's distance is the mean of 0…7 strides under
the softmax of its logits (X. Li et al., 2020). NanoDet-Plus has strides 8 to 64 and measures from
a cell's left top corner, NanoDet has strides 8 to 32 and measures from its middle. Some exporters
keep scores and distributions apart, two outputs for each stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgecnn.detection.detections import Detections
from edgecnn.detection.heads.base import (
    Array,
    DetectorSignature,
    Floats,
    Head,
    detections,
    grid,
    last_axis,
    one_output,
    select_candidates,
    to_probabilities,
)
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing

PLUS, FIRST = (8, 16, 32, 64), (8, 16, 32)
BINS = 8
SIDES = 4 * BINS
COCO_COLUMNS = 80 + SIDES
EXPECTED = f"one output (n, cells, classes + {SIDES}), or scores and distributions of each stride"


class NanoDet(Head):
    """One output (n, cells, classes + 32), or (n, cells, classes) and (n, cells, 32) a stride."""

    name: ClassVar[str] = "nanodet"
    min_score: ClassVar[float] = 0.35
    max_iou: ClassVar[float | None] = 0.6

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        named = len(signature.class_names)
        wanted = named + SIDES if named else COCO_COLUMNS
        for strides in (PLUS, FIRST):
            apart = sorted(
                (signature.cells((stride,)), columns)
                for stride in strides
                for columns in (wanted - SIDES, SIDES)
            )
            known = [shape for shape in signature.outputs if None not in shape]
            if (signature.cells(strides), wanted) in known or sorted(known, key=list) == apart:
                return Postprocessing(cls.name, signature.class_names, strides)
        return None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        apart = {shape[1] for shape in outputs if len(shape) == 2} - {SIDES, None}
        if len(outputs) > 1 and len(apart) == 1:
            return apart.pop()
        return last_axis(outputs, 2, SIDES)

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return ImagePreprocessing(
            height, width, 3, scale=1.0, order="bgr",
            mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395),
        )  # fmt: skip

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        def fits(output: Array) -> bool:
            return output.ndim == 3 and output.shape[2] > SIDES

        joined = self._joined(outputs, height, width)
        boxes = one_output(self.name, EXPECTED, outputs if joined is None else [joined], fits)
        self._strides(boxes.shape[1], height, width)
        self.check_classes(boxes.shape[2] - SIDES)
        return [boxes]

    def _joined(self, outputs: Sequence[Array], height: int, width: int) -> Array | None:
        """Scores and distributions of all strides as one output; None where they are no such."""
        signature = DetectorSignature(height, width, ())
        rows = [output for output in outputs if output.ndim == 3]
        for strides in (PLUS, FIRST):
            if len(rows) != len(outputs) or len(outputs) != 2 * len(strides):
                continue
            pieces = []
            for stride in strides:
                pair = [row for row in rows if row.shape[1] == signature.cells((stride,))]
                pair.sort(key=lambda row: row.shape[2] == SIDES)
                if len(pair) != 2 or pair[1].shape[2] != SIDES:
                    return None
                pieces.append(np.concatenate(pair, axis=2))
            if len({piece.shape[2] for piece in pieces}) == 1:
                return np.concatenate(pieces, axis=1)
        return None

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        rows = outputs[0]
        scores = to_probabilities(rows[:, :-SIDES])
        cells, classes = select_candidates(scores, min_score, every_class=self.every_class)
        strides = self._strides(len(rows), height, width)
        corners, steps = grid(height, width, strides)
        middle = 0.0 if len(strides) == len(PLUS) else 0.5
        points = corners[cells] + middle * steps[cells]
        reach = _expected(np.asarray(rows[cells, -SIDES:], np.float64)) * steps[cells]
        xyxy = np.concatenate([points - reach[:, :2], points + reach[:, 2:]], axis=1)
        return detections(xyxy, scores[cells, classes], classes, height, width)

    def _strides(self, rows: int, height: int, width: int) -> tuple[int, ...]:
        signature = DetectorSignature(height, width, ())
        for strides in (self.settings.strides, PLUS, FIRST):
            if strides and signature.cells(strides) == rows:
                return strides
        raise InputError(
            f"head {self.name}: {rows} boxes are not one for each cell of strides 8 to 64 "
            f"({signature.cells(PLUS)}) or 8 to 32 ({signature.cells(FIRST)}) on an input of "
            f"{width}×{height}",
            hint="name the head that the model has: --head NAME",
        )


def _expected(logits: Floats) -> Floats:
    """(n, 32) logits → (n, 4) distances in strides."""
    sides = logits.reshape(-1, 4, BINS)
    weights = np.exp(sides - sides.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return np.asarray(weights @ np.arange(BINS, dtype=np.float64))
