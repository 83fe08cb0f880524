"""From a raw sample to the tensor a network wants: one implementation, numpy only.

Training, calibration, evaluation, the benchmark and the camera all call this code, so that what
a network was trained on is what the device feeds it. A Preprocessing is data: it travels in the
manifest as JSON and comes back equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from edgecnn.deprecation import old_names
from edgecnn.errors import InputError
from edgecnn.preprocessing.base import FloatArray, Preprocessing, Tensor
from edgecnn.preprocessing.fed import Fed, fed_with, in_layout
from edgecnn.preprocessing.image import GRAY_WEIGHTS, Fit, ImagePreprocessing
from edgecnn.preprocessing.letterbox import LETTERBOX_FILL, LetterboxPreprocessing
from edgecnn.preprocessing.placement import ImagePlacement
from edgecnn.preprocessing.presets import (
    PRESETS,
    preprocessing_values,
    read_preprocessing,
    with_preset,
    with_statistics,
)
from edgecnn.preprocessing.resample import resize
from edgecnn.preprocessing.signal import SignalPreprocessing
from edgecnn.preprocessing.span import tensor_range
from edgecnn.preprocessing.spectrogram import SpectrogramPreprocessing
from edgecnn.preprocessing.subwords import SubwordPreprocessing
from edgecnn.preprocessing.text import TextPreprocessing
from edgecnn.preprocessing.volume import VolumePreprocessing
from edgecnn.records import FieldError, abbreviated, read_record

__all__ = [
    "GRAY_WEIGHTS",
    "LETTERBOX_FILL",
    "PRESETS",
    "Fed",
    "Fit",
    "FloatArray",
    "ImagePlacement",
    "ImagePreprocessing",
    "LetterboxPreprocessing",
    "Preprocessing",
    "SignalPreprocessing",
    "SpectrogramPreprocessing",
    "SubwordPreprocessing",
    "Tensor",
    "TextPreprocessing",
    "VolumePreprocessing",
    "fed_with",
    "in_layout",
    "preprocessing_from_dict",
    "preprocessing_values",
    "read_preprocessing",
    "resize",
    "tensor_range",
    "with_preset",
    "with_statistics",
]

_KINDS: Mapping[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        ImagePreprocessing,
        LetterboxPreprocessing,
        TextPreprocessing,
        SubwordPreprocessing,
        SignalPreprocessing,
        SpectrogramPreprocessing,
        VolumePreprocessing,
    )
}


MAX_VALUES = 1 << 28
"""Of one tensor: 1 GiB as float32."""


def preprocessing_from_dict(values: Mapping[str, Any]) -> Preprocessing:
    """Read what `to_dict` wrote. Raises InputError when it is not a preprocessing."""
    if not isinstance(values, Mapping):
        raise InputError(f"incomplete preprocessing: received {abbreviated(values)}")
    kind = _KINDS.get(str(values.get("kind")))
    if kind is None:
        raise InputError(
            f"unknown preprocessing kind {abbreviated(values.get('kind'))}",
            hint=f"known: {', '.join(_KINDS)}",
        )
    try:
        made: Preprocessing = read_record(kind, values)
    except FieldError as error:
        raise InputError(f"incomplete preprocessing: {error.message}") from error
    if prod(made.shape) > MAX_VALUES:
        raise InputError(
            f"a preprocessing to {'×'.join(map(str, made.shape))} values, expected at most "
            f"{MAX_VALUES:,}"
        )
    return made


__getattr__ = old_names(__name__, {"GREY_WEIGHTS": "GRAY_WEIGHTS"})
