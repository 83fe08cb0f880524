"""AlexNet: A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep
convolutional neural networks", 2012, fig. 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.models.blocks import conv_norm, is_small, scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 16
"""Below this conv5 has nothing left to pool."""
LARGEST = 512
SPACE = {
    "width": {"low": 0.25, "high": 1.25, "step": 0.125, "first": 1.0},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1, "first": 0.5},
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:
    """Conv 96 → 256 → 384 → 384 → 256, max pooling after the 1st, 2nd and 5th → 4096 → 4096.

    62,378,344 parameters at 224×224×3 and 1000 classes: the paper's layers in a single tower.
    The paper has 60,965,224 in two towers, one a GPU, whose conv2, conv4 and conv5 see only
    their own half; torchvision's 61.1 M are those of a narrower later form (Krizhevsky, "One
    weird trick for parallelizing convolutional neural networks", 2014). Other differences:

    - Local response normalization is left out: no runtime has an integer kernel for it, and it
      improved nothing where it was measured apart (K. Simonyan, A. Zisserman 2014, table 3).
    - Images are padded by 1 and 2 pixels: 55×55 maps come of 227×227, not of 224×224.

    Small-input form, for images with a side below 64 (which conv1 and the poolings would
    shrink to nothing): the widths of one of the paper's two towers, 48, 128, 192, 192 and 128;
    conv1 5×5 of stride 1 and conv2 3×3, for 11×11 of stride 4 and 5×5; dense layers of 512; batch
    normalization after every layer but the last, without which it hardly learns from a few
    thousand images. At 32×32×3 and 43 classes it has 1.7 M parameters and 55 M
    multiplications, and pool5 is 3×3.

    `width` multiplies channels and hidden units; `dropout` is that of both hidden layers.

    Raises InputError for images below 16×16 or above 512×512.
    """
    check_shapes("alexnet", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    image = keras.Input(input_shape, name="input")
    small = is_small(input_shape)
    x = (_small_features if small else _features)(image, width)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        units = scaled(512 if small else 4096, width)
        x = _small_dense(x, units, name) if small else _dense(x, units, name)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    x = layers.Dense(num_classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, x, name="alexnet")


def _dense(x: Any, units: int, name: str) -> Any:
    from keras import layers

    return layers.Dense(units, activation="relu", kernel_initializer="he_normal", name=name)(x)


def _small_dense(x: Any, units: int, name: str) -> Any:
    from keras import layers

    x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _features(x: Any, width: float) -> Any:
    """(batch, 224, 224, 3) → (batch, 6, 6, 256)."""
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, name: str, **how: Any) -> Any:
        return layers.Conv2D(
            scaled(filters, width),
            kernel,
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
            **how,
        )(x)

    x = layers.ZeroPadding2D(((1, 2), (1, 2)), name="padding")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(conv(x, 96, 11, "conv1", strides=4))
    x = layers.MaxPooling2D(3, 2, name="pool2")(conv(x, 256, 5, "conv2", padding="same"))
    x = conv(x, 384, 3, "conv3", padding="same")
    x = conv(x, 384, 3, "conv4", padding="same")
    return layers.MaxPooling2D(3, 2, name="pool5")(conv(x, 256, 3, "conv5", padding="same"))


def _small_features(x: Any, width: float) -> Any:
    """(batch, 32, 32, 3) → (batch, 3, 3, 128)."""
    from keras import layers

    x = layers.MaxPooling2D(3, 2, name="pool1")(conv_norm(x, scaled(48, width), 5, "conv1"))
    x = layers.MaxPooling2D(3, 2, name="pool2")(conv_norm(x, scaled(128, width), 3, "conv2"))
    x = conv_norm(x, scaled(192, width), 3, "conv3")
    x = conv_norm(x, scaled(192, width), 3, "conv4")
    return layers.MaxPooling2D(3, 2, name="pool5")(conv_norm(x, scaled(128, width), 3, "conv5"))
