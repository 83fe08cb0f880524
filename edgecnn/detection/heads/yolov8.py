"""The head of YOLOv8, YOLO11 and YOLO26 without NMS inside: one box a cell, no objectness.

Columns are (center x, center y, width, height, a score for each class), in pixels (ONNX) or in
shares of the input (TFLite). Files that carry masks or key points have more rows, which are passed
over where the metadata name the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edgecnn.detection.detections import Detections
from edgecnn.detection.heads.base import (
    STRIDES,
    Array,
    DetectorSignature,
    Head,
    detections,
    from_centers,
    in_pixels,
    one_output,
    select_candidates,
    to_probabilities,
    unexpected_outputs,
)
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

COCO_ROWS = 84
EXPECTED = "one output (n, 4 + classes, boxes) or (n, boxes, 4 + classes)"


class YOLOv8(Head):
    """One output (n, 4 + classes, boxes), or with these two axes in the other order."""

    name: ClassVar[str] = "yolov8"
    min_score: ClassVar[float] = 0.25
    max_iou: ClassVar[float | None] = 0.7
    counts_exactly: ClassVar[bool] = False

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        for strides in signature.possible_strides:
            boxes = signature.cells(strides)
            for shape in signature.outputs:
                if len(shape) != 2 or boxes not in shape:
                    continue
                first = shape[1] == boxes
                rows = (shape[0] if first else shape[1]) or 0
                if signature.class_names:
                    fits = rows >= 4 + len(signature.class_names) and (
                        first or rows == 4 + len(signature.class_names)
                    )
                else:  # channels last it might be another head, but for COCO's number of classes
                    fits = (first and 4 < rows < boxes) or rows == COCO_ROWS
                if fits:
                    return Postprocessing(cls.name, signature.class_names, tuple(strides))
        return None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        sizes = [
            min(size or 0 for size in shape)
            for shape in outputs
            if len(shape) == 2 and None not in shape
        ]
        return sizes[0] - 4 if len(sizes) == 1 and sizes[0] > 4 else None

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        """One output (n, boxes, 4 + classes)."""
        boxes = one_output(self.name, EXPECTED, outputs, lambda output: output.ndim == 3)
        if self._rows_first(boxes, height, width):
            boxes = boxes.transpose(0, 2, 1)
        classes = len(self.settings.class_names)
        if boxes.shape[2] < 5:
            raise unexpected_outputs(self.name, EXPECTED, outputs)
        if 1 < classes < boxes.shape[2] - 4:  # masks or key points behind the scores
            boxes = boxes[:, :, : 4 + classes]
        self.check_classes(boxes.shape[2] - 4)
        return [boxes]

    def _rows_first(self, output: Array, height: int, width: int) -> bool:
        signature = DetectorSignature(height, width, ())
        boxes = {
            signature.cells(strides) for strides in (self.settings.strides, *STRIDES) if strides
        }
        first, last = output.shape[2] in boxes, output.shape[1] in boxes
        return first if first != last else output.shape[1] <= output.shape[2]

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        values = outputs[0]
        boxes = in_pixels(values[:, :4], height, width)
        scores = to_probabilities(values[:, 4:])
        cells, classes = select_candidates(scores, min_score, every_class=self.every_class)
        xyxy = from_centers(boxes[cells, :2], boxes[cells, 2:])
        return detections(xyxy, scores[cells, classes], classes, height, width)
