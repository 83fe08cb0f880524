"""A 1-D network for signals and sound, from the waveform: after W. Dai et al., "Very deep
convolutional neural networks for raw waveforms", 2016 (their M5: a wide, strided first
convolution, small ones after it, global average pooling, no dense layers in between).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.shapes import SIGNAL, check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 32
LARGEST = 1_000_000
LONG = 2048
"""Samples from which a signal counts as a waveform, whose first layer may shrink it eightfold."""
FIRST = 64
WIDTHS = (64, 96, 128, 160)
"""Channels of the convolutions after the first; each halves the signal."""


def build(input_shape: tuple[int, int] = (8000, 1), num_classes: int = 10) -> keras.Model:
    """Conv1D 64 of 80, stride 8 → 64 → 96 → 128 → 160, each of 5, stride 2 → average → softmax.

    Every convolution is batch normalised, followed by a ReLU and, from the second on, by
    dropout of whole channels (J. Tompson et al. 2015, rate 0.1); dropout ⅓ before the output.
    223,818 parameters and 37.2 M multiplications at 8000×1 and 10 classes, a second at 8 kHz.
    Signals shorter than 2048 samples get a first convolution of 9 samples and stride 1.

    Raises InputError for signals shorter than 32 samples or longer than a million.
    """
    check_shapes("cnn1d", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST, axes=SIGNAL)
    import keras
    from keras import layers

    window, stride = (80, 8) if input_shape[0] >= LONG else (9, 1)
    net = keras.Sequential([keras.Input(input_shape, name="input")], name="cnn1d")
    for index, width in enumerate((FIRST, *WIDTHS), start=1):
        net.add(
            layers.Conv1D(
                width,
                window if index == 1 else 5,
                stride if index == 1 else 2,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv{index}",
            )
        )
        net.add(layers.BatchNormalization(name=f"conv{index}_norm"))
        net.add(layers.ReLU(name=f"conv{index}_relu"))
        if index > 1:
            net.add(layers.SpatialDropout1D(0.1, name=f"conv{index}_dropout"))
    net.add(layers.GlobalAveragePooling1D(name="average"))
    net.add(layers.Dropout(1 / 3, name="dropout"))
    net.add(layers.Dense(num_classes, activation="softmax", name="probabilities"))
    return net
