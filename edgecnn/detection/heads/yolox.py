"""YOLOX's head (Z. Ge et al., 2021): one box a cell, an objectness and class scores.

Rows are (x, y, w, h, objectness, a score for each class). Its exporter leaves the boxes in the
units of their cells: center (xy + cell) × stride, size e^wh × stride. With `decode_in_inference`
they come in pixels. Some exporters leave out the sigmoid of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgecnn.detection.detections import Detections
from edgecnn.detection.heads.base import (
    STRIDES,
    Array,
    DetectorSignature,
    Head,
    detections,
    from_centers,
    grid,
    last_axis,
    one_output,
    select_candidates,
    to_probabilities,
    with_objectness,
)
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing
from edgecnn.preprocessing.presets import IMAGENET_MEAN, IMAGENET_STD

COCO_COLUMNS = 85
LARGEST_POWER = 12.0
"""Of e for a side in strides: e¹² × 8 is a million pixels."""
EXPECTED = "one output (n, boxes, 5 + classes) with one box for each cell of strides 8, 16, 32"


class YOLOX(Head):
    """One output (n, boxes, 5 + classes)."""

    name: ClassVar[str] = "yolox"
    min_score: ClassVar[float] = 0.3
    max_iou: ClassVar[float | None] = 0.45

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        for strides in signature.possible_strides:
            for shape in signature.outputs:
                if len(shape) != 2 or shape[0] != signature.cells(strides):
                    continue
                named = len(signature.class_names)
                if shape[1] == (5 + named if named else COCO_COLUMNS):
                    return Postprocessing(
                        cls.name,
                        signature.class_names,
                        tuple(strides),
                        logits=signature.plain,
                        unturned=signature.unturned,
                    )
        return None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        return last_axis(outputs, 2, 5)

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        """Raw BGR in the left top corner; of files without a sigmoid, which the other widespread
        implementation exports, RGB with ImageNet's statistics in the center.
        """
        if self.settings.logits:
            return LetterboxPreprocessing(
                height, width, 3, mean=IMAGENET_MEAN, std=IMAGENET_STD, fill=128
            )
        return LetterboxPreprocessing(height, width, 3, scale=1.0, order="bgr", align="top_left")

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        boxes = one_output(self.name, EXPECTED, outputs, lambda output: output.ndim == 3)
        self._strides(boxes.shape[1], height, width)
        return [self.check_columns(boxes, EXPECTED, outputs)]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        rows = outputs[0]
        if self.settings.unturned:
            rows = self._turned(rows, height, width)
        scores = to_probabilities(rows[:, 4:], logits=self.settings.logits)
        joint = with_objectness(scores)
        cells, classes = select_candidates(joint, min_score, every_class=self.every_class)
        centers, sizes = np.hsplit(np.asarray(rows[:, :4], np.float64), 2)
        finite = centers[np.isfinite(centers)]
        if not (finite.size and finite.max() > max(height, width) / 4):  # in units of the cells
            corners, steps = grid(height, width, self._strides(len(rows), height, width))
            centers = centers * steps + corners
            sizes = np.exp(np.minimum(sizes, LARGEST_POWER)) * steps
        xyxy = from_centers(centers[cells], sizes[cells])
        return detections(xyxy, joint[cells, classes], classes, height, width)

    def _turned(self, rows: Array, height: int, width: int) -> Array:
        """The rows of maps (columns, cells) that lie in memory one behind the other."""
        signature = DetectorSignature(height, width, ())
        pieces, start = [], 0
        for stride in self._strides(len(rows), height, width):
            count = signature.cells((stride,))
            piece = np.ascontiguousarray(rows[start : start + count])
            pieces.append(piece.reshape(rows.shape[1], count).T)
            start += count
        return np.concatenate(pieces)

    def _strides(self, rows: int, height: int, width: int) -> tuple[int, ...]:
        signature = DetectorSignature(height, width, ())
        known = (self.settings.strides,) if self.settings.strides else STRIDES
        for strides in known:
            if signature.cells(strides) == rows:
                return strides
        raise InputError(
            f"head {self.name}: {rows} boxes are not one for each cell of strides "
            f"{', '.join(map(str, known[0]))} on an input of {width}×{height} "
            f"({signature.cells(known[0])})",
            hint="name the head that the model has: --head NAME",
        )
