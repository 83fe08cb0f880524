"""VoxNet: D. Maturana, S. Scherer, "VoxNet: a 3D convolutional neural network for real-time
object recognition", 2015, fig. 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.blocks import scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 12
LARGEST = 128
SPACE = {
    "width": {"low": 0.25, "high": 1.5, "step": 0.25, "first": 1.0},
    "hidden": {"low": 32, "high": 256, "step": 32, "first": 128},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1, "first": 0.4},
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build(
    input_shape: tuple[int, int, int, int] = (32, 32, 32, 1),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    hidden: int = 128,
    dropout: float = 0.4,
) -> keras.Model:
    """Conv3D 32@14³ of 5³, stride 2 → Conv3D 32@12³ of 3³ → max 32@6³ → dense 128 → softmax.

    Dropout 0.2, 0.3 and 0.4 after the first convolution, the pooling and the dense layer, leaky
    ReLU of slope 0.1: as in the paper, whose 921,736 parameters at 32³ and 40 classes it has
    besides 512 of batch normalization. Two differences: each convolution is batch normalized
    (and needs no bias of its own), which lets it learn in minutes on a processor; and the dense
    layer has a ReLU. `width` multiplies the channels, `hidden` is the dense layer's size;
    `dropout` is the last one, and the others keep their ratio to it.

    Raises InputError for volumes below 12³ or above 128³.
    """
    check_shapes(
        "voxnet", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST, modality="volume"
    )
    import keras
    from keras import layers

    def conv(kernel: int, stride: int, name: str) -> keras.Layer:
        return layers.Conv3D(
            scaled(32, width),
            kernel,
            stride,
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )

    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            conv(5, 2, "conv1"),
            layers.BatchNormalization(name="conv1_norm"),
            layers.LeakyReLU(0.1, name="conv1_relu"),
            layers.Dropout(dropout / 2, name="conv1_dropout"),
            conv(3, 1, "conv2"),
            layers.BatchNormalization(name="conv2_norm"),
            layers.LeakyReLU(0.1, name="conv2_relu"),
            layers.MaxPooling3D(2, name="pool2"),
            layers.Dropout(round(0.75 * dropout, 4), name="pool2_dropout"),
            layers.Flatten(name="flatten"),
            layers.Dense(hidden, activation="relu", kernel_initializer="he_normal", name="dense"),
            layers.Dropout(dropout, name="dense_dropout"),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="voxnet",
    )
