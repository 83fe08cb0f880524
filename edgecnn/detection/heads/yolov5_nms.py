"""YOLOv5 exported by TensorFlow with NMS inside: boxes, scores, classes and a count.

As SSD's four outputs, but boxes are shares (left, top, right, bottom).
"""

from __future__ import annotations

from typing import ClassVar

from edgecnn.detection.heads.base import DetectorSignature
from edgecnn.detection.heads.ssd import PARTS, SSD
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing


class YOLOv5NMS(SSD):
    """Four outputs; where `order` does not say which is which, their values do."""

    name: ClassVar[str] = "yolov5_nms"
    min_score: ClassVar[float] = 0.25
    top_first: ClassVar[bool] = False

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        """Four such outputs of a file with Ultralytics' metadata, which have strides."""
        if len(signature.outputs) != PARTS or not signature.strides or signature.parts:
            return None
        ranks = sorted(len(shape) for shape in signature.outputs)
        known = ranks in ([0, 1, 1, 2], [1, 1, 1, 2])
        return Postprocessing(cls.name, signature.class_names) if known else None

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)
