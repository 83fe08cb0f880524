"""The classic small stack that tutorials start with: one convolution, one hidden dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 4
LARGEST = 256


def build(input_shape: tuple[int, int, int] = (28, 28, 1), num_classes: int = 10) -> keras.Model:
    """Conv2D 32@3×3 → MaxPooling2D → Dropout → Flatten → Dense 128 → Dropout → softmax.

    693,962 parameters at 28×28×1 and 10 classes, nearly all of them in the dense layer: they
    grow with the picture's area. Dropout rates are ¼ after pooling and ½ before the output.
    Raises InputError for pictures below 4×4 or above 256×256.
    """
    check_shapes("simple", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            layers.Conv2D(32, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Dropout(0.25, name="dropout_features"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dropout(0.5, name="dropout_hidden"),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="simple",
    )
