"""The edges that a network's own first filters see in an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.runtimes.first_layer import read_first_convolution

Floats = npt.NDArray[np.float32]


def read_first_layer(path: Path) -> tuple[Floats, int] | None:
    """The first convolution's kernel (height, width, 3, filters) and its stride.

    None where the file's first layer is not a convolution over three channels, or where the
    library that reads the format is not installed.
    """
    convolution = read_first_convolution(path)
    return convolution if convolution is not None and convolution[0].shape[2] == 3 else None


def edge_strength(image: Floats, kernel: Floats, stride: int) -> Floats:
    """How strongly the filters respond to change in `image` (h, w, 3): (rows, columns).

    Each filter less its own mean answers only to edges, not to brightness; what is returned is
    the root of the sum of their squares.
    """
    rows, columns, channels, filters = kernel.shape
    edges = kernel - kernel.mean(axis=(0, 1), keepdims=True)
    padded = np.pad(image, ((rows // 2,) * 2, (columns // 2,) * 2, (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(0, 1))
    windows = windows[::stride, ::stride]  # (h, w, channels, rows, columns)
    weights = edges.transpose(2, 0, 1, 3).reshape(channels * rows * columns, filters)
    flat = windows.reshape(windows.shape[0] * windows.shape[1], -1) @ weights
    strength = np.sqrt(np.square(flat).sum(axis=1)).reshape(windows.shape[:2])
    return np.asarray(strength, np.float32)
