"""Capture, detect and look at the same time."""

from edgecnn.vision.pipeline.detecting import Choice, Detects, Switch
from edgecnn.vision.pipeline.evidence import Evidence
from edgecnn.vision.pipeline.running import Pipeline, Result
from edgecnn.vision.pipeline.timing import StageTime, Timing

__all__ = ["Choice", "Detects", "Evidence", "Pipeline", "Result", "StageTime", "Switch", "Timing"]
