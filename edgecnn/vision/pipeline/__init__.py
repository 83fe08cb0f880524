"""Capture, detection and display at the same time."""

from edgecnn.vision.evidence.computing import Evidence
from edgecnn.vision.pipeline.detecting import DetectorLike, DetectorSpec, DetectorSwitch
from edgecnn.vision.pipeline.running import Pipeline, Result
from edgecnn.vision.pipeline.timing import StageTime, Timing

__all__ = [
    "DetectorLike",
    "DetectorSpec",
    "DetectorSwitch",
    "Evidence",
    "Pipeline",
    "Result",
    "StageTime",
    "Timing",
]
