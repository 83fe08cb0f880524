"""The formats that edgecnn reads, and how anything else is named."""

from __future__ import annotations

from dataclasses import dataclass

FORMATS = {".tflite": "tflite", ".onnx": "onnx", ".keras": "keras"}
"""By the ending of their files."""

NAMES = {"tflite": "a TFLite model", "onnx": "an ONNX model", "keras": "a Keras 3 model"}


@dataclass(frozen=True)
class Content:
    """`format` is one that edgecnn reads, or empty; `what` names anything else, `hint` says what
    to do.
    """

    format: str
    what: str
    hint: str = ""
