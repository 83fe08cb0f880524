"""The classic small stack that tutorials start with: one convolution, one hidden dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.blocks import scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 4
LARGEST = 256
SPACE = {
    "width": {"low": 0.25, "high": 2.0, "step": 0.25, "first": 1.0},
    "kernel": {"choices": [3, 5], "first": 3},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1, "first": 0.5},
}
"""What `edgecnn search` may change; `first` is the tutorials'."""


def build(
    input_shape: tuple[int, int, int] = (28, 28, 1),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    kernel: int = 3,
    dropout: float = 0.5,
) -> keras.Model:
    """Conv2D 32@3×3 → MaxPooling2D → Dropout → Flatten → Dense 128 → Dropout → softmax.

    693,962 parameters at 28×28×1 and 10 classes, nearly all of them in the dense layer: they
    grow with the image's area. Dropout rates are ¼ after pooling and ½ before the output:
    `dropout` is the second, the first its half; `width` multiplies channels and hidden units.
    Raises InputError for images below 4×4 or above 256×256.
    """
    check_shapes("simple", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            layers.Conv2D(scaled(32, width), kernel, activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Dropout(dropout / 2, name="dropout_features"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(128, width), activation="relu", name="hidden"),
            layers.Dropout(dropout, name="dropout_hidden"),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="simple",
    )
