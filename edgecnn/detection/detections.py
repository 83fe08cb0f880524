"""What a detector found in one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """Boxes with scores, best first.

    `xyxy` is (n, 4) float32: left, top, right, bottom in pixels of the picture. `scores` is
    (n,) float32 in 0…1. Raises InputError for shapes that do not belong together.
    """

    xyxy: Boxes
    scores: Scores

    def __post_init__(self) -> None:
        if self.xyxy.shape != (len(self.scores), 4) or self.scores.ndim != 1:
            raise InputError(
                f"detections are boxes (n, 4) and scores (n,), "
                f"received: {self.xyxy.shape} and {self.scores.shape}"
            )

    @classmethod
    def none(cls) -> Detections:
        """Nothing found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[tuple[Boxes, float]]:
        """(box, score), best first."""
        for box, score in zip(self.xyxy, self.scores, strict=True):
            yield box, float(score)

    def at_least(self, min_score: float) -> Detections:
        """Those with a score of at least `min_score`."""
        keep = self.scores >= min_score
        return Detections(self.xyxy[keep], self.scores[keep])
