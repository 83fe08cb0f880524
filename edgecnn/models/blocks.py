"""Building blocks shared by several architectures."""

from __future__ import annotations

from typing import Any

SMALL_BELOW = 64
"""Images with a side shorter than this get an architecture's small-input form: the stems made
for 224×224 shrink them fourfold before the first block, which leaves 8×8 of a 32×32 image."""


def is_small(input_shape: tuple[int, int, int]) -> bool:
    """Whether an image (height, width, channels) gets the small-input form."""
    return min(input_shape[:2]) < SMALL_BELOW


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, at least 1; in steps of 4 from 16 on, as kernels like it."""
    if width == 1:
        return channels
    wanted = channels * width
    return max(1, round(wanted)) if wanted < 16 else 4 * round(wanted / 4)


def conv_norm(
    x: Any, filters: int, kernel: int, name: str, *, stride: int = 1, relu: bool = True
) -> Any:
    """Convolution without bias → batch normalization → ReLU, padded so that only strides shrink.

    The layers are `name`_conv, `name`_norm and `name`_relu. Weights start as in K. He et al.,
    "Delving deep into rectifiers", 2015.
    """
    from keras import layers

    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
