"""ResNet-8: the CIFAR-10 model of MLPerf Tiny's image classification. C. Banbury et al., "MLPerf
Tiny Benchmark", 2021, after K. He et al., "Deep residual learning for image recognition", 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.models.blocks import scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 8
LARGEST = 256
STAGES = (16, 32, 64)
"""Channels of the three residual blocks; each after the first halves the image."""
SPACE = {
    "width": {"low": 0.25, "high": 1.5, "step": 0.25, "first": 1.0},
    "blocks": {"low": 1, "high": 2, "first": 1},
    "kernel": {"choices": [3, 5], "first": 3},
    "dropout": {"low": 0.0, "high": 0.4, "step": 0.1, "first": 0.0},
}
"""What `edgecnn search` may change; `first` is the reference's."""


def build(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    blocks: int = 1,
    kernel: int = 3,
    dropout: float = 0.0,
) -> keras.Model:
    """Conv 16@32×32 → block 16@32×32 → block 32@16×16 → block 64@8×8 → average → softmax.

    78,666 parameters (78,186 of them trained) and 12.5 M multiplications at 32×32×3 and 10
    classes, as in the reference: convolutions keep their bias in front of batch normalization,
    and the 1×1 shortcuts have none after them. One difference: the reference's L2 penalty of
    10⁻⁴ on its kernels is a matter of training, not of the network. `width` multiplies the
    channels, `blocks` is how many each stage has, `kernel` the side of their windows; `dropout`
    stands before the output.
    Raises InputError for images below 8×8 or above 256×256.
    """
    check_shapes("resnet8", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
        return layers.Conv2D(
            filters, kernel, stride, padding="same", kernel_initializer="he_normal", name=name
        )(x)

    def block(x: Any, filters: int, stride: int, name: str) -> Any:
        inside = conv(x, filters, kernel, f"{name}_1_conv", stride)
        inside = layers.BatchNormalization(name=f"{name}_1_norm")(inside)
        inside = layers.ReLU(name=f"{name}_1_relu")(inside)
        inside = conv(inside, filters, kernel, f"{name}_2_conv")
        inside = layers.BatchNormalization(name=f"{name}_2_norm")(inside)
        shortcut = conv(x, filters, 1, f"{name}_shortcut", stride) if stride > 1 else x
        return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, inside]))

    image = keras.Input(input_shape, name="input")
    x = conv(image, scaled(STAGES[0], width), 3, "stem_conv")
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for index, filters in enumerate(STAGES):
        for number in range(blocks):
            name = f"block{index + 1}{f'_{number + 1}' if number else ''}"
            x = block(x, scaled(filters, width), 2 if index and not number else 1, name)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(
        num_classes, activation="softmax", kernel_initializer="he_normal", name="probabilities"
    )(x)
    return keras.Model(image, x, name="resnet8")
