"""What an architecture checks before it builds: its input and its number of classes."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import InputError

MAX_CHANNELS = 1024
MAX_CLASSES = 100_000


def check_shapes(
    model: str, input_shape: Sequence[int], num_classes: int, *, smallest: int, largest: int
) -> None:
    """Hold (height, width, channels) and the class count to what `model` can work with.

    `smallest` and `largest` bound height and width. Raises InputError.
    """
    if len(input_shape) != 3 or not all(isinstance(size, int) and size > 0 for size in input_shape):
        raise InputError(
            f"{model} needs an input (height, width, channels) of positive whole numbers, "
            f"received: {tuple(input_shape)}"
        )
    height, width, channels = input_shape
    if not (smallest <= height <= largest and smallest <= width <= largest):
        raise InputError(
            f"{model} takes pictures from {smallest}×{smallest} to {largest}×{largest}, "
            f"received: {height}×{width}",
            hint="choose another input_shape, or another model",
        )
    if channels > MAX_CHANNELS:
        raise InputError(f"{model} takes up to {MAX_CHANNELS} channels, received: {channels}")
    if not (isinstance(num_classes, int) and 2 <= num_classes <= MAX_CLASSES):
        raise InputError(
            f"{model} tells from 2 to {MAX_CLASSES} classes apart, received: {num_classes!r}"
        )
