"""Small random changes to training pictures, numpy only, reproducible batch by batch."""

from __future__ import annotations

import numpy as np

from edgecnn.preprocessing import FloatArray


def random_shift(tensors: FloatArray, pixels: int, rng: np.random.Generator) -> FloatArray:
    """Move each picture of (batch, height, width, channels) by up to `pixels` either way.

    What moves in is the picture's own edge, which for a digit on paper is paper.
    """
    count, height, width = tensors.shape[:3]
    down, right = rng.integers(-pixels, pixels + 1, (2, count))
    rows = np.clip(np.arange(height) + down[:, None], 0, height - 1)
    columns = np.clip(np.arange(width) + right[:, None], 0, width - 1)
    pictures = np.arange(count)[:, None, None]
    return np.asarray(tensors[pictures, rows[:, :, None], columns[:, None, :]])
