"""Detectors: no anchors, fully convolutional, made for int8; of stop signs, and of any classes.

A backbone to stride 64 with three top-down merges and one prediction map of stride 8. Every
cell says for each class how likely an object's middle is there (a center heat map, X. Zhou,
D. Wang, P. Krähenbühl, "Objects as Points", 2019) and how far it is to the object's four sides
(Z. Tian et al., "FCOS", 2019).

All convolutions are plain. Depthwise ones have fewer multiplications and still lost both ways
when measured: a depthwise 5×5 net of as many parameters took 5.4 ms in int8 where this form
takes 2.0 (LiteRT, one core, 416×416), and trained at a third of the speed. Bottlenecks (1×1 to
half the channels, 3×3 back) keep them cheap, and the stage at stride 64 costs next to nothing
and lets every cell see the whole image, which a sign may fill.

Only convolutions, ReLU, nearest upsampling and addition: all of them have int8 kernels in
LiteRT, ONNX Runtime and OpenVINO. The two outputs are separate tensors, so that each has an
int8 range of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError

if TYPE_CHECKING:
    import keras

STRIDE = 8
"""Pixels a cell of the two output maps."""
COARSEST_STRIDE = 64
LARGEST = 2048
FIRST_GAIN = 0.2
"""Of a bottleneck before training: nearly nothing is added, so that depth does not hurt a network
that starts from the weights of a shallower one (P. Goyal et al., 2017, begin with 0; behind a
ReLU that would stay 0).
"""
PRIOR = 0.01
"""What the untrained heat map says everywhere, so that training does not start with a shock."""


@dataclass(frozen=True)
class Widths:
    """Channels of the stages at stride 2, 4, 8, 16, 32 and 64, how many bottlenecks follow at
    each from stride 8 on, and the channels of the merged map of stride 8.
    """

    channels: tuple[int, int, int, int, int, int]
    bottlenecks: tuple[int, int, int, int]
    head: int


SMALL = Widths(channels=(12, 24, 48, 64, 80, 64), bottlenecks=(1, 2, 2, 4), head=32)
NANO = Widths(channels=(8, 16, 24, 32, 40, 32), bottlenecks=(1, 2, 2, 4), head=20)

DEEPER = ("s64_1", "s64_2", "s64_3")
"""Bottlenecks at stride 64 behind the first, which the networks did not always have: weights from
before lack them. With them a cell sees 911 pixels around it instead of 527.
"""


def build_small(input_shape: tuple[int, int, int] = (512, 512, 3)) -> keras.Model:
    """`stop_sign_small`: about 0.35 M parameters. See `build`."""
    return _build(input_shape, SMALL, name="stop_sign_small")


def build_nano(input_shape: tuple[int, int, int] = (384, 384, 3)) -> keras.Model:
    """`stop_sign_nano`: about 0.1 M parameters. See `build`."""
    return _build(input_shape, NANO, name="stop_sign_nano")


def build_detector_small(
    input_shape: tuple[int, int, int] = (512, 512, 3), num_classes: int = 1
) -> keras.Model:
    """`detector_small`: the network of `stop_sign_small`, for any classes. See `build`."""
    return _build(input_shape, SMALL, name="detector_small", num_classes=num_classes)


def build_detector_nano(
    input_shape: tuple[int, int, int] = (384, 384, 3), num_classes: int = 1
) -> keras.Model:
    """`detector_nano`: the network of `stop_sign_nano`, for any classes. See `build`."""
    return _build(input_shape, NANO, name="detector_nano", num_classes=num_classes)


def _build(
    input_shape: tuple[int, int, int], widths: Widths, *, name: str, num_classes: int = 1
) -> keras.Model:
    """(batch, height, width, 3) RGB in 0…1 → two maps of (height / 8, width / 8) cells.

    Outputs, in this order: `heat` (batch, rows, columns, classes), the logit of an object of
    each class whose middle is near the cell's, and `box` (batch, rows, columns, 4), log₂ of the
    distances from the cell's middle to the object's left, top, right and bottom side in units of
    the stride. None leaves a side open. Raises InputError unless height and width are multiples
    of 64 and the image has 3 channels, and for less than one class.
    """
    check_input(name, input_shape)
    if num_classes < 1:
        raise InputError(f"{name} finds one class or more, received: {num_classes}")
    import keras
    from keras import layers

    def conv(
        x: Any, filters: int, kernel: int, label: str, *, stride: int = 1, gain: float = 1.0
    ) -> Any:
        x = layers.Conv2D(
            filters, kernel, stride, padding="same", use_bias=False, name=f"{label}_conv"
        )(x)
        first = keras.initializers.Constant(gain)
        x = layers.BatchNormalization(gamma_initializer=first, name=f"{label}_norm")(x)
        return layers.ReLU(name=f"{label}_relu")(x)

    def bottleneck(x: Any, label: str) -> Any:
        channels = x.shape[-1]
        inside = conv(x, channels // 2, 1, f"{label}_narrow")
        inside = conv(inside, channels, 3, f"{label}_wide", gain=FIRST_GAIN)
        return layers.Add(name=f"{label}_add")([x, inside])

    def merge(coarse: Any, fine: Any, channels: int, label: str) -> Any:
        up = conv(coarse, channels, 1, f"{label}_coarse")
        up = layers.UpSampling2D(2, interpolation="nearest", name=f"{label}_up")(up)
        return layers.Add(name=f"{label}_add")([up, conv(fine, channels, 1, f"{label}_fine")])

    def head(x: Any, label: str, outputs: int, bias: float) -> Any:
        x = conv(x, widths.head, 3, label)
        return layers.Conv2D(
            outputs,
            1,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(bias),
            name=label,
        )(x)

    image = keras.Input(input_shape, name="input")
    x = image
    stages = []
    for level, channels in enumerate(widths.channels):
        x = conv(x, channels, 3, f"s{2 << level}", stride=2)
        for index in range(widths.bottlenecks[level - 2] if level >= 2 else 0):
            x = bottleneck(x, f"s{2 << level}_{index}")
        stages.append(x)
    s8, s16, s32, s64 = stages[2:]
    c8, c16, c32 = widths.head, widths.channels[3], widths.channels[4]
    merged = merge(s64, s32, c32, "merge32")
    merged = bottleneck(merge(merged, s16, c16, "merge16"), "merge16_0")
    merged = conv(merge(merged, s8, c8, "merge8"), c8, 3, "merge8")
    heat = head(merged, "heat", num_classes, -math.log((1 - PRIOR) / PRIOR))
    box = head(merged, "box", 4, 1.0)
    return keras.Model(image, [heat, box], name=name)


def check_input(name: str, input_shape: tuple[int | None, ...]) -> None:
    """Raise InputError for an input that the network `name` does not take; see `_build`."""
    sizes = tuple(input_shape)
    sides = [side for side in sizes[:2] if side is not None]
    if (
        len(sizes) != 3
        or sizes[2] != 3
        or any(side % COARSEST_STRIDE or not 0 < side <= LARGEST for side in sides)
    ):
        raise InputError(
            f"{name} takes (height, width, 3) with height and width multiples of "
            f"{COARSEST_STRIDE} up to {LARGEST}, received: {sizes}"
        )
