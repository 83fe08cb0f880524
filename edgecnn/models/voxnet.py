"""VoxNet: D. Maturana, S. Scherer, "VoxNet: a 3D convolutional neural network for real-time
object recognition", 2015, fig. 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.shapes import VOLUME, check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 12
LARGEST = 128


def build(
    input_shape: tuple[int, int, int, int] = (32, 32, 32, 1), num_classes: int = 10
) -> keras.Model:
    """Conv3D 32@14³ of 5³, stride 2 → Conv3D 32@12³ of 3³ → max 32@6³ → dense 128 → softmax.

    Dropout 0.2, 0.3 and 0.4 after the first convolution, the pooling and the dense layer, leaky
    ReLU of slope 0.1: as in the paper, whose 921,736 parameters at 32³ and 40 classes it has
    besides 512 of batch normalisation. Two differences: each convolution is batch normalised
    (and needs no bias of its own), which lets it learn in minutes on a processor; and the dense
    layer has a ReLU.

    Raises InputError for volumes below 12³ or above 128³.
    """
    check_shapes(
        "voxnet", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST, axes=VOLUME
    )
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            layers.Conv3D(32, 5, 2, use_bias=False, kernel_initializer="he_normal", name="conv1"),
            layers.BatchNormalization(name="conv1_norm"),
            layers.LeakyReLU(0.1, name="conv1_relu"),
            layers.Dropout(0.2, name="conv1_dropout"),
            layers.Conv3D(32, 3, use_bias=False, kernel_initializer="he_normal", name="conv2"),
            layers.BatchNormalization(name="conv2_norm"),
            layers.LeakyReLU(0.1, name="conv2_relu"),
            layers.MaxPooling3D(2, name="pool2"),
            layers.Dropout(0.3, name="pool2_dropout"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="dense"),
            layers.Dropout(0.4, name="dense_dropout"),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="voxnet",
    )
