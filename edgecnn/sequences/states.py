"""States between decoder steps, kept outside of the graph.

The step's states hold the last positions of each convolution side by side; a network gives the
newest of each, and it is shifted in. A step costs the same however long the answer is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class States:
    """States by name, (rows, positions × width) each, in whatever form the step takes them.

    `start` is what they hold before the first position: zeros, as padding is.
    """

    def __init__(self, start: Mapping[str, Array]) -> None:
        self.arrays = dict(start)

    @classmethod
    def zeros(cls, widths: Mapping[str, int], rows: int) -> States:
        """States of these widths in float32."""
        return cls({name: np.zeros((rows, width), np.float32) for name, width in widths.items()})

    def follow(self, origins: npt.NDArray[np.int64]) -> None:
        """Row i continues what row `origins[i]` was."""
        self.arrays = {name: array[origins] for name, array in self.arrays.items()}

    def push(self, newest: Sequence[Array]) -> None:
        """Shift the newest position (rows, width) of each into it."""
        for (name, array), new in zip(list(self.arrays.items()), newest, strict=True):
            self.arrays[name] = np.concatenate([array[:, new.shape[1] :], new], axis=1)
