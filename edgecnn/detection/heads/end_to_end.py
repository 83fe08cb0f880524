"""Detectors that answer with finished boxes: YOLOv8 and YOLO11 with NMS inside, YOLOv10, YOLO26.

Rows are (left, top, right, bottom, score, class), best first, padded with rows of score 0.
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
    one_output,
)
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

MOST_ROWS = 2_000
COLUMNS = 6
EXPECTED = "one output (n, boxes, 6): left, top, right, bottom, score, class"


class EndToEnd(Head):
    """One output (n, boxes, 6), nothing left to suppress."""

    name: ClassVar[str] = "end_to_end"
    min_score: ClassVar[float] = 0.25

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        shapes = [shape for shape in signature.outputs if len(shape) == 2]
        if len(signature.outputs) > 2 or len(shapes) != 1 or shapes[0][1] is None:
            return None
        rows, columns = shapes[0][0], shapes[0][1]
        finished = columns == COLUMNS or (signature.end_to_end and (columns or 0) > COLUMNS)
        few = rows is None or rows <= MOST_ROWS
        cells = {signature.cells(strides) for strides in ((8, 16, 32), (8, 16, 32, 64))}
        one_a_cell = rows in cells or any(rows == 3 * count for count in cells)
        if not finished or not few or (one_a_cell and not signature.end_to_end):
            return None
        return Postprocessing(cls.name, signature.class_names)

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        del height, width

        def fits(output: Array) -> bool:
            return output.ndim == 3 and output.shape[2] >= COLUMNS

        return [one_output(self.name, EXPECTED, outputs, fits)[:, :, :COLUMNS]]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        rows = np.asarray(outputs[0], np.float64)
        scores, classes = rows[:, 4], rows[:, 5]
        solid = (scores >= max(min_score, 1e-9)) & np.isfinite(classes) & (classes > -0.5)
        rows = rows[solid]
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        boxes = in_pixels(rows[:, :4], height, width)
        return detections(boxes, rows[:, 4], np.rint(rows[:, 5]), height, width)
