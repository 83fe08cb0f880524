"""The range of the tensors that a preprocessing makes, where it is known before any sample is."""

from __future__ import annotations

from edgecnn.preprocessing.base import Preprocessing
from edgecnn.preprocessing.image import ImagePreprocessing

HIGHEST_PIXEL = 255.0


def tensor_range(preprocessing: Preprocessing | None) -> tuple[float, float] | None:
    """(lowest, highest) value of a tensor made from pixels 0…255, over all channels.

    None for samples without a fixed range (signals, volumes, words), and where each image is
    normalized by its own contrast.
    """
    if not isinstance(preprocessing, ImagePreprocessing) or preprocessing.contrast != "as_is":
        return None
    count = max(len(preprocessing.mean), len(preprocessing.std))
    means = preprocessing.mean * (count if len(preprocessing.mean) == 1 else 1)
    stds = preprocessing.std * (count if len(preprocessing.std) == 1 else 1)
    ends = [
        (pixel * preprocessing.scale - mean) / std
        for pixel in (0.0, HIGHEST_PIXEL)
        for mean, std in zip(means, stds, strict=True)
    ]
    return (min(ends), max(ends)) if min(ends) < max(ends) else None
