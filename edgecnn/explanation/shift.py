"""Feature-location invariance: accuracy against how far the image is moved.

A convolution moves its maps along with the image; strides, pooling and dense layers decide
what is left of that in the answer (A. Azulay, Y. Weiss, "Why do deep convolutional networks
generalize so poorly to small image transformations?", JMLR 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn.data.base import Split
from edgecnn.errors import InputError
from edgecnn.evaluation.classification import predictions
from edgecnn.preprocessing import FloatArray, Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.statistics.interval import Bounds
from edgecnn.statistics.samples import wilson_interval

DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""(rows, columns): right, down, left, up. Image i moves into direction i mod 4, at each shift."""
BATCH = 32


@dataclass(frozen=True)
class ShiftPoint:
    """`correct` and `agreeing` of `n` images, moved by `pixels` of the network's input.

    Agreeing ones get the same answer as unmoved.
    """

    pixels: int
    n: int
    correct: int
    agreeing: int

    @property
    def accuracy(self) -> float:
        """Correct answers (0…1)."""
        return self.correct / self.n

    @property
    def accuracy_ci95(self) -> Bounds:
        """Wilson 95% interval; the images are independent, each is used once a point."""
        return wilson_interval(self.correct, self.n) or (0.0, 1.0)

    @property
    def agreement(self) -> float:
        """Answers as for the unmoved image (0…1)."""
        return self.agreeing / self.n

    @property
    def agreement_ci95(self) -> Bounds:
        """Wilson 95% interval."""
        return wilson_interval(self.agreeing, self.n) or (0.0, 1.0)


@dataclass(frozen=True)
class ShiftCurve:
    """How one file answers to moved images."""

    name: str
    points: tuple[ShiftPoint, ...]


def moved(tensor: FloatArray, rows: int, columns: int) -> FloatArray:
    """(height, width, channels) moved down by `rows` and right by `columns`; what moves in is
    the image's own edge, repeated.
    """
    height, width = tensor.shape[:2]
    down = np.clip(np.arange(height) - rows, 0, height - 1)
    right = np.clip(np.arange(width) - columns, 0, width - 1)
    return np.asarray(tensor[down][:, right], np.float32)


def shift_curve(
    name: str,
    scores: Callable[[FloatArray], FloatArray],
    split: Split,
    preprocessing: Preprocessing,
    shifts: Sequence[int],
    *,
    limit: int,
    progress: Progress = silent,
) -> ShiftCurve:
    """Measure one model at every shift on `limit` images, spread evenly over `split`.

    `scores` gives (n, classes) for float32 (n, height, width, channels). Memory stays flat.
    Raises InputError for a shift that leaves nothing of the image.
    """
    height, width = preprocessing.shape[:2]
    if not shifts or min(shifts) < 0 or max(shifts) >= min(height, width):
        raise InputError(
            f"shifts run from 0 to {min(height, width) - 1} pixels for an input of "
            f"{height}×{width}, received: {', '.join(map(str, shifts)) or 'none'}"
        )
    n = min(limit, len(split))
    if n < 1:
        raise InputError("no images to move", hint="--samples is 1 or more")
    chosen = np.linspace(0, len(split) - 1, n).round().astype(int)
    wanted = sorted({0, *shifts})
    correct, agreeing = (dict.fromkeys(wanted, 0) for _ in range(2))
    for start in range(0, n, BATCH):
        places = chosen[start : start + BATCH]
        tensors = preprocessing.batch([split.samples[int(place)] for place in places])
        labels = split.labels[places]
        unmoved = predictions(scores(tensors))
        for shift in wanted:
            answers = unmoved if shift == 0 else predictions(scores(_all(tensors, shift, start)))
            correct[shift] += int((answers == labels).sum())
            agreeing[shift] += int((answers == unmoved).sum())
        progress("shift", start + len(places), n, name)
    return ShiftCurve(
        name,
        tuple(ShiftPoint(shift, n, correct[shift], agreeing[shift]) for shift in wanted),
    )


def _all(tensors: FloatArray, shift: int, first: int) -> FloatArray:
    """Each tensor moved into its own direction; `first` is the first one's place in the split."""
    moves = (DIRECTIONS[(first + place) % 4] for place in range(len(tensors)))
    return np.stack(
        [
            moved(tensor, shift * rows, shift * columns)
            for tensor, (rows, columns) in zip(tensors, moves, strict=True)
        ]
    )
