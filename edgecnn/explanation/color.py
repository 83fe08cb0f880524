"""Contribution of each color channel to an answer; no labels needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.explanation.network import RecordedPass, record
from edgecnn.preprocessing import FloatArray

if TYPE_CHECKING:
    import keras

NAMES = {1: ("gray",), 3: ("red", "green", "blue")}
"""As images have them; in a network's input that is "bgr" blue comes first."""


@dataclass(frozen=True)
class Contribution:
    """A channel's part in the score of one class.

    `drop` is how much the probability falls when the channel is replaced by its own mean (it
    may rise: negative). `share` is the channel's part of Σ|gradient × input| before the softmax,
    None without gradients.
    """

    channel: str
    drop: float
    share: float | None = None


def contributions(
    scores: Callable[[FloatArray], FloatArray],
    tensor: FloatArray,
    index: int,
    model: keras.Model | None = None,
    *,
    order: str = "rgb",
) -> list[Contribution]:
    """For one input (height, width, channels) and the class `index`.

    `scores` gives probabilities (n, classes) for (n, height, width, channels); `order` is that of
    the channels, "rgb" or "bgr".
    """
    channels = tensor.shape[2]
    flattened = np.repeat(tensor[None], channels + 1, axis=0)
    for channel in range(channels):
        flattened[channel + 1, :, :, channel] = tensor[:, :, channel].mean()
    class_scores = scores(flattened)[:, index]
    shares = _gradient_shares(model, tensor, index) if model is not None else [None] * channels
    names = NAMES[channels][::-1] if order == "bgr" else NAMES[channels]
    return [
        Contribution(name, float(class_scores[0] - class_scores[place + 1]), shares[place])
        for place, name in enumerate(names)
    ]


def _gradient_shares(model: keras.Model, tensor: FloatArray, index: int) -> list[float | None]:
    """Each channel's part of Σ|gradient × (input − the channel's mean)|, so that brightness
    that is the same everywhere counts for nothing.
    """

    def target(recording: RecordedPass) -> Any:
        return recording.scores[:, index]

    recording, wanted = record(model, tensor[None], (), target)
    gradient = recording.gradient(wanted, recording.tensors)
    if gradient is None:
        return [None] * tensor.shape[2]
    weight = np.abs(gradient[0] * (tensor - tensor.mean(axis=(0, 1)))).sum(axis=(0, 1))
    whole = float(weight.sum())
    return [float(part) / whole if whole > 0 else 0.0 for part in weight]
