"""FastestDet's head: one map of stride 16, one box a cell.

Channels are (objectness, x, y, w, h, a score for each class), objectness and scores in 0…1. The
center is tanh(xy) cells away from a cell's left top corner, a side is sigmoid(wh) of the input's
side.
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
    from_centers,
    grid,
    one_output,
    select_candidates,
    sigmoid,
)
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing

STRIDE = 16
COCO_CHANNELS = 85
OBJECT_POWER, CLASS_POWER = 0.6, 0.4
"""Of objectness and class score in a box's score, as its makers weigh them."""


class FastestDet(Head):
    """One output (n, 5 + classes, height / 16, width / 16), or channels last."""

    name: ClassVar[str] = "fastestdet"
    min_score: ClassVar[float] = 0.5
    max_iou: ClassVar[float | None] = 0.45

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        named = len(signature.class_names)
        channels = 5 + named if named else COCO_CHANNELS
        rows, columns = signature.height // STRIDE, signature.width // STRIDE
        known = {(channels, rows, columns), (rows, columns, channels)}
        if len(signature.outputs) != 1 or signature.outputs[0] not in known:
            return None
        return Postprocessing(cls.name, signature.class_names, (STRIDE,))

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        """The two equal axes are the grid; where no two are, only COCO's number is known."""
        if len(outputs) != 1 or len(outputs[0]) != 3:
            return None
        first, middle, last = outputs[0]
        if middle in (first, last):
            channels = first if middle == last else last
        elif COCO_CHANNELS in (first, last):
            channels = COCO_CHANNELS
        else:
            return None
        return channels - 5 if channels and channels > 5 else None

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return ImagePreprocessing(height, width, 3, order="bgr")

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        """One output (n, rows, columns, 5 + classes)."""
        rows, columns = height // STRIDE, width // STRIDE

        def fits(output: Array) -> bool:
            first = output.ndim == 4 and output.shape[2:] == (rows, columns) and output.shape[1] > 5
            return first or (
                output.ndim == 4 and output.shape[1:3] == (rows, columns) and output.shape[3] > 5
            )

        expected = f"one output (n, 5 + classes, {rows}, {columns})"
        cells = one_output(self.name, expected, outputs, fits)
        if cells.shape[1:3] != (rows, columns):
            cells = cells.transpose(0, 2, 3, 1)
        self.check_classes(cells.shape[3] - 5)
        return [cells]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        values = np.asarray(outputs[0], np.float64)
        rows, columns = values.shape[:2]
        values = values.reshape(rows * columns, -1)
        shares = np.clip(values[:, [0, *range(5, values.shape[1])]], 0, 1)
        joint = shares[:, :1] ** OBJECT_POWER * shares[:, 1:] ** CLASS_POWER
        cells, classes = select_candidates(joint, min_score, every_class=self.every_class)
        corners, _ = grid(rows, columns, (1,))
        step = np.asarray([width / columns, height / rows])
        chosen = values[cells]
        centers = (corners[cells] + np.tanh(chosen[:, 1:3])) * step
        sizes = sigmoid(chosen[:, 3:5]) * np.asarray([width, height], np.float64)
        xyxy = from_centers(centers, sizes)
        return detections(xyxy, joint[cells, classes], classes, height, width)
