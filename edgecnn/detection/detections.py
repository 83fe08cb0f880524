"""The detections in one image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError

Boxes = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int64]


_NOT_GIVEN = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Detections:
    """Boxes with scores, best first.

    `xyxy` is (n, 4) float32: left, top, right, bottom in pixels of the image. `scores` is
    (n,) float32 in 0…1, `class_ids` (n,) int64, all 0 for a detector of one class. Raises
    InputError for shapes that do not belong together.
    """

    xyxy: Boxes
    scores: Scores
    class_ids: ClassIds = field(default_factory=lambda: _NOT_GIVEN)

    def __post_init__(self) -> None:
        if self.class_ids is _NOT_GIVEN:
            object.__setattr__(self, "class_ids", np.zeros(len(self.scores), np.int64))
        shapes = (self.xyxy.shape, self.scores.shape, self.class_ids.shape)
        n = len(self.scores)
        if shapes != ((n, 4), (n,), (n,)):
            raise InputError(
                f"detections are boxes (n, 4), scores (n,) and class ids (n,), "
                f"received: {', '.join(map(str, shapes))}"
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
        return self.where(self.scores >= min_score)

    def of_classes(self, wanted: Collection[int] | None) -> Detections:
        """Those of the classes `wanted`; all of them for None."""
        if wanted is None:
            return self
        return self.where(np.isin(self.class_ids, sorted(wanted)))

    def where(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Detections:
        """Those that a mask keeps, or that a list of places names, in its order."""
        return Detections(self.xyxy[keep], self.scores[keep], self.class_ids[keep])


def joined(parts: Sequence[Detections]) -> Detections:
    """The boxes of all parts, best first."""
    if len(parts) == 1:
        return parts[0]
    whole = Detections(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
    )
    return whole.where(np.argsort(-whole.scores, kind="stable"))
