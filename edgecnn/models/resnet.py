"""ResNet-18, -34 and -50: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image
recognition", 2015, table 1 (the first form; ReLU after the addition).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.models.blocks import conv_norm, is_small, scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 8
LARGEST = 1024
WIDTHS = (64, 128, 256, 512)
"""Channels of the 3×3 convolutions in stages conv2 to conv5."""
EXPANSION = 4
"""A bottleneck's output has four times the channels of its 3×3 convolution."""
_SHARED = {
    "width": {"low": 0.25, "high": 1.25, "step": 0.125, "first": 1.0},
    "dropout": {"low": 0.0, "high": 0.4, "step": 0.1, "first": 0.0},
}
SPACES = {
    "resnet18": {**_SHARED, "blocks": {"low": 1, "high": 3, "first": 2}},
    "resnet34": _SHARED,
    "resnet50": _SHARED,
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build_18(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    blocks: int = 2,
    dropout: float = 0.0,
) -> keras.Model:
    """`resnet18`: 11,689,512 trained parameters at 1000 classes. See `_build`."""
    depths = (blocks, blocks, blocks, blocks)
    return _build("resnet18", input_shape, num_classes, blocks=depths, width=width, dropout=dropout)


def build_34(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """`resnet34`: 21,797,672 trained parameters at 1000 classes. See `_build`."""
    depths = (3, 4, 6, 3)
    return _build("resnet34", input_shape, num_classes, blocks=depths, width=width, dropout=dropout)


def build_50(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """`resnet50`: 25,557,032 trained parameters at 1000 classes. See `_build`."""
    return _build(
        "resnet50",
        input_shape,
        num_classes,
        blocks=(3, 4, 6, 3),
        bottleneck=True,
        width=width,
        dropout=dropout,
    )


def _build(
    name: str,
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    blocks: tuple[int, int, int, int],
    bottleneck: bool = False,
    width: float = 1.0,
    dropout: float = 0.0,
) -> keras.Model:
    """Stem → four stages of `blocks` residual blocks → global average → softmax.

    Where a block changes its shape, the shortcut is a 1×1 projection (option B). A bottleneck
    halves the image in its first 1×1 convolution, as in the paper; the form that torchvision
    calls ResNet v1.5 does it in the 3×3 one, with the same parameters and more work.

    Small-input form, for images with a side below 64: the stem is a 3×3 convolution of stride
    2 without max pooling, where the paper's is 7×7 of stride 2 with it. A 32×32 image enters
    the first stage at 16×16 and costs resnet18 139 M multiplications (37 M with the paper's
    stem, 556 M at stride 1), and the last stage sees 2×2.

    `width` multiplies all channels; `dropout` stands before the output.

    Raises InputError for images below 8×8 or above 1024×1024.
    """
    check_shapes(name, input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    block = _bottleneck if bottleneck else _basic
    image = keras.Input(input_shape, name="input")
    if is_small(input_shape):
        x = conv_norm(image, scaled(WIDTHS[0], width), 3, "conv1", stride=2)
    else:
        x = conv_norm(image, scaled(WIDTHS[0], width), 7, "conv1", stride=2)
        x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    for stage, (channels, count) in enumerate(zip(WIDTHS, blocks, strict=True), start=2):
        for index in range(count):
            stride = 2 if stage > 2 and index == 0 else 1
            x = block(x, scaled(channels, width), stride, f"conv{stage}_{index + 1}")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, x, name=name)


def _basic(x: Any, width: int, stride: int, name: str) -> Any:
    inside = conv_norm(x, width, 3, f"{name}_a", stride=stride)
    inside = conv_norm(inside, width, 3, f"{name}_b", relu=False)
    return _added(x, inside, width, stride, name)


def _bottleneck(x: Any, width: int, stride: int, name: str) -> Any:
    inside = conv_norm(x, width, 1, f"{name}_a", stride=stride)
    inside = conv_norm(inside, width, 3, f"{name}_b")
    inside = conv_norm(inside, width * EXPANSION, 1, f"{name}_c", relu=False)
    return _added(x, inside, width * EXPANSION, stride, name)


def _added(x: Any, inside: Any, channels: int, stride: int, name: str) -> Any:
    """The block's output: ReLU(shortcut + inside)."""
    from keras import layers

    if stride > 1 or x.shape[-1] != channels:
        x = conv_norm(x, channels, 1, f"{name}_shortcut", stride=stride, relu=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, inside]))
