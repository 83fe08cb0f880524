"""A 1-D network for signals and sound, from the waveform: after W. Dai et al., "Very deep
convolutional neural networks for raw waveforms", 2016 (a wide, strided first convolution, small
ones after it, global average pooling, no dense layers in between), with a first layer that
starts as a filter bank, as in N. Zeghidour et al., "Learning filterbanks from raw speech", 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn.models.blocks import scaled
from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 32
LARGEST = 1_000_000
LONG = 2048
"""Samples from which a signal counts as a waveform and gets the filter bank."""
BANDS = 40
WINDOW, STRIDE, POOL = 256, 8, 10
"""The filter bank's window and stride, and how many of its answers make one: 32 ms, 1 ms and
10 ms at 8 kHz."""
STACK = ((128, 1), (128, 2), (192, 2), (192, 2))
"""Channels and stride of the convolutions after the first."""
SPACE = {
    "width": {"low": 0.25, "high": 1.5, "step": 0.125, "first": 1.0},
    "kernel": {"choices": [3, 5, 7, 9], "first": 5},
    "depth": {"low": 2, "high": 6, "first": 4},
    "stride": {"choices": [1, 2], "first": 1},
    "dropout": {"low": 0.0, "high": 0.6, "step": 0.1, "first": 0.4},
}
"""What `edgecnn search` may change; `first` is the network as it is described here."""


def build(
    input_shape: tuple[int, int] = (8000, 1),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    kernel: int = 5,
    depth: int = 4,
    stride: int = 1,
    dropout: float = 0.4,
) -> keras.Model:
    """Filter bank 80 of 256, stride 8 → max of 10 → Conv1D 128, 128, 192, 192 of 5 → softmax.

    Every convolution is batch normalized, followed by a ReLU and by dropout of whole channels
    (J. Tompson et al. 2015; of whole bands after the filter bank); then global average pooling
    and dropout 0.4. 465,930 parameters and 35.2 M multiplications at 8000×1 and 10 classes.

    The filter bank starts as 40 bands spaced like the ear's (mel scale), each a cosine and a
    sine under a bell; rectified and pooled they follow the band's loudness. It is trained on
    like any other layer.

    What is shorter than 2048 gets a first convolution of 9 without pooling, which starts at
    random like the others: short signals, and spectrograms (frames, bands), whose filter bank
    is in the preprocessing. 473,930 parameters and 12.6 M multiplications at 72×40.

    `width` multiplies the channels after the filter bank, `kernel` is the window and `depth` the
    number of the convolutions there, `stride` multiplies the first layer's; `dropout` is that
    before the output, and the others keep their ratio to it.

    Raises InputError for signals shorter than 32 samples or longer than a million.
    """
    check_shapes(
        "cnn1d", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST, modality="signal"
    )
    import keras
    from keras import layers

    net = keras.Sequential([keras.Input(input_shape, name="input")], name="cnn1d")

    def convolve(name: str, filters: int, window: int, step: int) -> keras.Layer:
        layer = layers.Conv1D(
            filters,
            window,
            step,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )
        net.add(layer)
        net.add(layers.BatchNormalization(name=f"{name}_norm"))
        net.add(layers.ReLU(name=f"{name}_relu"))
        return layer

    if input_shape[0] >= LONG:
        bank = convolve("bank", 2 * BANDS, WINDOW, STRIDE * stride)
        bank.kernel.assign(filter_bank(input_shape[1]))
        net.add(layers.MaxPooling1D(POOL, padding="same", name="bank_pool"))
        net.add(layers.BatchNormalization(name="bank_level"))
    else:
        convolve("bank", scaled(2 * BANDS, width), 9, stride)
    net.add(layers.SpatialDropout1D(dropout / 4, name="bank_dropout"))
    stack = (*STACK, *[(STACK[-1][0], 1)] * max(0, depth - len(STACK)))[:depth]
    for index, (filters, step) in enumerate(stack, start=1):
        convolve(f"conv{index}", scaled(filters, width), kernel, step)
        net.add(layers.SpatialDropout1D(round(0.375 * dropout, 4), name=f"conv{index}_dropout"))
    net.add(layers.GlobalAveragePooling1D(name="average"))
    net.add(layers.Dropout(dropout, name="dropout"))
    net.add(layers.Dense(num_classes, activation="softmax", name="probabilities"))
    return net


def filter_bank(channels: int) -> npt.NDArray[np.float32]:
    """Kernel (256, channels, 80): for each band a cosine and a sine under a bell, of norm 1.

    Middles between 0.0075 and 0.475 of the sampling rate (60 Hz to 3.8 kHz at 8 kHz), spaced as
    mel spaces them at 8 kHz; a band is as wide as half the way between its neighbors.
    """
    lowest, highest = (_mel(rate * 8000) for rate in (0.0075, 0.475))
    edges = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1) / 8000
    middles, widths = edges[1:-1], np.maximum((edges[2:] - edges[:-2]) / 2, 0.005)
    time = np.arange(WINDOW) - (WINDOW - 1) / 2
    bell = np.exp(-0.5 * (np.pi * widths * time[:, None]) ** 2) * np.hanning(WINDOW)[:, None]
    phase = 2 * np.pi * middles * time[:, None]
    waves = np.stack([bell * np.cos(phase), bell * np.sin(phase)], axis=-1)
    kernel = (waves / np.linalg.norm(waves, axis=0)).reshape(WINDOW, 1, 2 * BANDS)
    return np.repeat(kernel / np.sqrt(channels), channels, axis=1).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
