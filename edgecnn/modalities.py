"""The kinds of samples: what they are called, and the axes of a tensor of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Modality = Literal["image", "text", "signal", "volume", "tensors"]
"""What samples are; "tensors" are what a model's inputs take as they are."""

AXES: Mapping[str, tuple[str, ...]] = {
    "image": ("height", "width", "channels"),
    "text": ("length",),
    "signal": ("length", "channels"),
    "spectrogram": ("frames", "bands"),
    "volume": ("depth", "height", "width", "channels"),
    "tensors": (),
}
"""For each modality, and for sounds among the signals, the axes of a tensor without the batch."""

SAMPLES: Mapping[str, str] = {
    "image": "images",
    "text": "texts",
    "signal": "signals",
    "spectrogram": "sounds",
    "volume": "volumes",
    "tensors": "tensors",
}
"""What samples are called."""

MODALITY_OF_RANK: Mapping[int, Modality] = {1: "text", 2: "signal", 3: "image", 4: "volume"}
"""By the number of axes that an architecture takes."""
