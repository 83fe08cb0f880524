"""GoogLeNet: C. Szegedy et al., "Going deeper with convolutions", 2014, table 1 and fig. 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from edgecnn.models.blocks import conv_norm, is_small, scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 16
LARGEST = 1024
AUXILIARY_AFTER = ("4a", "4d")
"""Inception modules whose maps an auxiliary head reads while training."""


class Inception(NamedTuple):
    """Channels of a module's four branches, as the columns of table 1."""

    ones: int
    threes_reduce: int
    threes: int
    fives_reduce: int
    fives: int
    pooled: int


MODULES = {
    "3a": Inception(64, 96, 128, 16, 32, 32),
    "3b": Inception(128, 128, 192, 32, 96, 64),
    "4a": Inception(192, 96, 208, 16, 48, 64),
    "4b": Inception(160, 112, 224, 24, 64, 64),
    "4c": Inception(128, 128, 256, 24, 64, 64),
    "4d": Inception(112, 144, 288, 32, 64, 64),
    "4e": Inception(256, 160, 320, 32, 128, 128),
    "5a": Inception(256, 160, 320, 32, 128, 128),
    "5b": Inception(384, 192, 384, 48, 128, 128),
}
POOL_BEFORE = ("4a", "5a")
SPACE = {
    "width": {"low": 0.25, "high": 1.25, "step": 0.125, "first": 1.0},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1, "first": 0.4},
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    auxiliary_heads: bool = False,
    *,
    width: float = 1.0,
    dropout: float = 0.4,
) -> keras.Model:
    """Stem → nine inception modules → global average → dropout 0.4 → softmax.

    6,998,552 parameters at 224×224×3 and 1000 classes, 13,378,280 with both auxiliary heads: the
    paper's form, with biases and without batch normalization. (torchvision's 6.6 M are those of
    a form with batch normalization and 3×3 where the paper has 5×5.) With `auxiliary_heads` the
    model has three outputs, "probabilities" first, then "auxiliary_4a" and "auxiliary_4d", each
    (batch, num_classes); training weighs their losses 0.3 each and leaves them behind.
    Local response normalization is left out (no runtime has an integer kernel for it).

    Small-input form, for images with a side below 64: conv1 is 3×3 of stride 1, for 7×7 of
    stride 2, and every convolution is batch normalized. A 32×32 image enters 3a at 8×8 and 5a
    at 2×2: 6.0 M parameters and 121 M multiplications at 43 classes. The auxiliary heads pool
    what map there is where it is smaller than their 5×5.

    `width` multiplies all channels but those of the auxiliary heads.

    Raises InputError for images below 16×16 or above 1024×1024.
    """
    check_shapes("googlenet", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    small = is_small(input_shape)
    conv = conv_norm if small else _conv
    image = keras.Input(input_shape, name="input")
    first = scaled(64, width)
    x = conv(image, first, 3, "conv1") if small else conv(image, first, 7, "conv1", stride=2)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = conv(x, first, 1, "conv2_reduce")
    x = conv(x, scaled(192, width), 3, "conv2")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    auxiliary = []
    for name, paper in MODULES.items():
        if name in POOL_BEFORE:
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool_{name}")(x)
        channels = Inception(*(scaled(count, width) for count in paper))
        x = _inception(x, channels, f"inception_{name}", conv)
        if auxiliary_heads and name in AUXILIARY_AFTER:
            auxiliary.append(_auxiliary(x, num_classes, f"auxiliary_{name}", conv))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, [x, *auxiliary] if auxiliary else x, name="googlenet")


def _conv(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1) -> Any:
    from keras import layers

    return layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def _inception(x: Any, channels: Inception, name: str, conv: Any) -> Any:
    """Four branches side by side (1×1; 1×1 → 3×3; 1×1 → 5×5; pool → 1×1), joined by channel."""
    from keras import layers

    threes = conv(x, channels.threes_reduce, 1, f"{name}_3x3_reduce")
    fives = conv(x, channels.fives_reduce, 1, f"{name}_5x5_reduce")
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    return layers.Concatenate(name=name)(
        [
            conv(x, channels.ones, 1, f"{name}_1x1"),
            conv(threes, channels.threes, 3, f"{name}_3x3"),
            conv(fives, channels.fives, 5, f"{name}_5x5"),
            conv(pooled, channels.pooled, 1, f"{name}_pool_1x1"),
        ]
    )


def _auxiliary(x: Any, num_classes: int, name: str, conv: Any) -> Any:
    """A classifier on a middle map: average 5×5 of stride 3 → 1×1 → dense 1024 → softmax."""
    from keras import layers

    window = tuple(min(5, size) for size in x.shape[1:3])
    x = layers.AveragePooling2D(window, 3, name=f"{name}_average")(x)
    x = layers.Flatten(name=f"{name}_flatten")(conv(x, 128, 1, f"{name}_reduce"))
    x = layers.Dense(1024, activation="relu", kernel_initializer="he_normal", name=f"{name}_dense")(
        x
    )
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, activation="softmax", name=name)(x)
