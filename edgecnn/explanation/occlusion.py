"""Occlusion: how much an answer falls when a part of the image is covered.

M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
section 4.2. It needs no gradients, so it works on every file in every runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgecnn.preprocessing import FloatArray

CELLS = 12
PATCH = 1 / 5


@dataclass(frozen=True)
class Occlusion:
    """`drop` (rows, columns): the probability lost with a patch centered there.

    `patch` is (height, width) in pixels of the network's input.
    """

    index: int
    drop: FloatArray
    patch: tuple[int, int]


def occlude(
    scores: Callable[[FloatArray], FloatArray], tensor: FloatArray, index: int
) -> Occlusion:
    """Cover one input (height, width, channels) with a patch of its mean color, place by place.

    The patch is a fifth of the image's sides; there are at most 12×12 places.
    """
    height, width = tensor.shape[:2]
    patch = (max(1, round(height * PATCH)), max(1, round(width * PATCH)))
    rows, columns = min(CELLS, height), min(CELLS, width)
    mean = tensor.mean(axis=(0, 1))
    whole = float(scores(tensor[None])[0, index])
    drop = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        covered = np.repeat(tensor[None], columns, axis=0)
        top = round((row + 0.5) * height / rows - patch[0] / 2)
        for column in range(columns):
            left = round((column + 0.5) * width / columns - patch[1] / 2)
            covered[column, max(0, top) : top + patch[0], max(0, left) : left + patch[1]] = mean
        drop[row] = whole - scores(covered)[:, index]
    return Occlusion(index, drop, patch)
