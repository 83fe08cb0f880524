"""YOLOv5's head: three anchors a cell, an objectness and class scores.

Rows are (center x, center y, width, height, objectness, a score for each class); in files made by
its exporter the anchors are applied already, in pixels (ONNX) or in shares of the input (TFLite).
YOLOv3, YOLOv7 and their relatives answer in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from edgecnn.detection.detections import Detections
from edgecnn.detection.heads.base import (
    Array,
    DetectorSignature,
    Floats,
    Head,
    detections,
    from_centers,
    grid,
    in_pixels,
    last_axis,
    one_output,
    select_candidates,
    sigmoid,
    to_probabilities,
    unexpected_outputs,
    with_objectness,
)
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

ANCHORS = 3
EXPECTED = "one output (n, boxes, 5 + classes), or raw maps and the model's anchors"


class YOLOv5(Head):
    """One output (n, boxes, 5 + classes), or one raw map a stride with the anchors stated."""

    name: ClassVar[str] = "yolov5"
    min_score: ClassVar[float] = 0.25
    max_iou: ClassVar[float | None] = 0.45

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        for strides in signature.possible_strides:
            boxes = ANCHORS * signature.cells(strides)
            for shape in signature.outputs:
                if len(shape) == 2 and shape[0] == boxes and (shape[1] or 0) > 5:
                    return Postprocessing(cls.name, signature.class_names, tuple(strides))
        return None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        return last_axis(outputs, 2, 5)

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        maps = [output for output in outputs if output.ndim in (4, 5)]
        rows = [output for output in outputs if output.ndim == 3]
        if not rows and maps:
            return self._maps(maps, height, width)
        fits = [output for output in rows if output.shape[2] > 5]
        boxes = one_output(self.name, EXPECTED, fits or outputs, lambda output: output.ndim == 3)
        return [self.check_columns(boxes, EXPECTED, outputs)]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        if outputs[0].ndim == 2:
            rows = outputs[0]
            boxes = in_pixels(rows[:, :4], height, width)
            return self._detections(boxes, to_probabilities(rows[:, 4:]), height, width, min_score)
        parts = list(self._decoded(outputs, height, width))
        boxes, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        return self._detections(boxes, scores, height, width, min_score)

    def _detections(
        self, boxes: Floats, scores: Array, height: int, width: int, min_score: float
    ) -> Detections:
        """Of (center, size) in pixels, and of objectness and class scores in 0…1."""
        joint = with_objectness(scores)
        cells, classes = select_candidates(joint, min_score, every_class=self.every_class)
        xyxy = from_centers(boxes[cells, :2], boxes[cells, 2:4])
        return detections(xyxy, joint[cells, classes], classes, height, width)

    def _maps(self, maps: Sequence[Array], height: int, width: int) -> list[Array]:
        """Raw maps as (n, rows, columns, anchors, 5 + classes), in the order of the strides."""
        if not self.settings.anchors:
            raise InputError(
                f"head {self.name}: the outputs are raw maps, and no metadata say which anchors "
                "they were trained with",
                hint="export the model with its boxes decoded, or state strides and anchors under "
                '"postprocessing" in its manifest',
            )
        ordered = []
        for stride, anchors in zip(self.settings.strides, self.settings.anchors, strict=True):
            rows, columns, count = -(-height // stride), -(-width // stride), len(anchors) // 2
            matches = [
                candidate
                for each in maps
                if (candidate := _as_map(each, rows, columns, count)) is not None
            ]
            if len(matches) != 1:
                cells = f"{rows}×{columns} cells with {count} anchors"
                raise unexpected_outputs(self.name, f"one map of {cells} (stride {stride})", maps)
            self.check_classes(matches[0].shape[-1] - 5)
            ordered.append(matches[0])
        return ordered

    def _decoded(
        self, maps: Sequence[Array], height: int, width: int
    ) -> Iterator[tuple[Floats, Floats]]:
        """YOLOv5's formulas, of s = sigmoid(value): the center is (2s - 1/2 + cell) × stride, the
        size (2s)² × anchor.
        """
        settings = self.settings
        for one, stride, row in zip(maps, settings.strides, settings.anchors, strict=True):
            anchors = np.asarray(row, np.float64).reshape(-1, 2)
            values = sigmoid(one).reshape(-1, len(anchors), one.shape[-1])
            corners, _ = grid(height, width, (stride,))
            centers = (values[..., :2] * 2 - 0.5) * stride + corners[:, None]
            sizes = (values[..., 2:4] * 2) ** 2 * anchors
            boxes = np.concatenate([centers, sizes], axis=2).reshape(-1, 4)
            yield boxes, values[..., 4:].reshape(len(boxes), -1)


def _as_map(output: Array, rows: int, columns: int, anchors: int) -> Array | None:
    """(n, rows, columns, anchors, values) of a raw map in one of the layouts that there are."""
    shape = output.shape
    if output.ndim == 5:
        if shape[1:4] == (anchors, rows, columns) and shape[4] > 5:
            return output.transpose(0, 2, 3, 1, 4)
        if shape[1:4] == (rows, columns, anchors) and shape[4] > 5:
            return output
        return None
    if shape[2:] == (rows, columns) and shape[1] % anchors == 0 and shape[1] // anchors > 5:
        split = output.reshape(shape[0], anchors, shape[1] // anchors, rows, columns)
        return split.transpose(0, 3, 4, 1, 2)
    if shape[1:3] == (rows, columns) and shape[3] % anchors == 0 and shape[3] // anchors > 5:
        return output.reshape(shape[0], rows, columns, anchors, shape[3] // anchors)
    return None
