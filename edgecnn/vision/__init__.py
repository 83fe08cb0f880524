"""From images to boxes: a detector over any runtime."""

from edgecnn.detection.detections import Detections
from edgecnn.vision.detectors.detector import Detector, load_detector

__all__ = ["Detections", "Detector", "load_detector"]
