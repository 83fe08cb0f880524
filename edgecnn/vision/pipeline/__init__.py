"""Capture, detection and display at the same time."""

from edgecnn.vision.pipeline.detecting import DetectorSpec, DetectorSwitch, Detects
from edgecnn.vision.pipeline.evidence import Evidence
from edgecnn.vision.pipeline.running import Pipeline, Result
from edgecnn.vision.pipeline.timing import StageTime, Timing

__all__ = [
    "DetectorSpec",
    "DetectorSwitch",
    "Detects",
    "Evidence",
    "Pipeline",
    "Result",
    "StageTime",
    "Timing",
]
