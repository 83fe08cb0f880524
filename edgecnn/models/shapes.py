"""Validate an architecture's input shape and number of classes."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import InputError
from edgecnn.modalities import AXES, SAMPLES, Modality

MAX_CHANNELS = 1024
MAX_CLASSES = 100_000


def check_shapes(
    model: str,
    input_shape: Sequence[int],
    num_classes: int,
    *,
    smallest: int,
    largest: int,
    modality: Modality = "image",
) -> None:
    """Hold the shape of one sample and the class count to what `model` can work with.

    `modality` says what the sizes mean; `smallest` and `largest` bound all of them but the
    channels. Raises InputError.
    """
    axes = AXES[modality]
    if len(input_shape) != len(axes) or not all(
        isinstance(size, int) and size > 0 for size in input_shape
    ):
        raise InputError(
            f"{model} needs an input ({', '.join(axes)}) of positive whole numbers, "
            f"received: {tuple(input_shape)}"
        )
    sizes = input_shape[:-1] if axes[-1] == "channels" else input_shape
    if not all(smallest <= size <= largest for size in sizes):
        raise InputError(
            f"{model} takes {SAMPLES[modality]} from {_times([smallest] * len(sizes))} to "
            f"{_times([largest] * len(sizes))}, received: {_times(sizes)}",
            hint="choose another input_shape, or another model",
        )
    if axes[-1] == "channels" and input_shape[-1] > MAX_CHANNELS:
        raise InputError(
            f"{model} takes up to {MAX_CHANNELS} channels, received: {input_shape[-1]}"
        )
    if not (isinstance(num_classes, int) and 2 <= num_classes <= MAX_CLASSES):
        raise InputError(
            f"{model} distinguishes 2 to {MAX_CLASSES} classes, received: {num_classes!r}"
        )


def _times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))
