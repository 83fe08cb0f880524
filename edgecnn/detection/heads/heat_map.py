"""Our own head: maps of logits, one a class, and a map of distances → boxes with scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.detection.detections import Detections, joined
from edgecnn.detection.heads.base import Array, DetectorSignature, Head, sigmoid
from edgecnn.detection.nms import suppress
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

STRIDE = 8
MAX_CANDIDATES = 300
"""Cells that are looked at in one image, best first: NMS takes quadratic time."""
LOG_RANGE = (-4.0, 7.0)
"""log₂ distances outside are cut: half a pixel and 1,024 pixels from the middle to a side."""


class HeatMap(Head):
    """Outputs (n, rows, columns, classes) and (n, rows, columns, 4), stride 8.

    How many classes there are the settings say, by their names; 1 where they have none.
    """

    name: ClassVar[str] = "heat_map"

    @classmethod
    def find(cls, signature: DetectorSignature) -> Postprocessing | None:
        rows, columns = signature.height // STRIDE, signature.width // STRIDE
        heat = {(rows, columns, 1), (1, rows, columns)}
        box = {(rows, columns, 4), (4, rows, columns)}
        shapes = signature.outputs
        if len(shapes) != 2 or not any(one in heat for one in shapes):
            return None
        return Postprocessing(cls.name) if any(one in box for one in shapes) else None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:
        """Both maps have the same rows and columns, and one of them has the four sides of boxes
        as its channels, which stand first or last.
        """
        if len(outputs) != 2 or any(len(shape) != 3 for shape in outputs):
            return None
        ways = [((shape[2], shape[:2]), (shape[0], shape[1:])) for shape in outputs]
        for (one, cells), (other, other_cells) in product(*ways):
            if cells == other_cells and 4 in (one, other):
                return other if one == 4 else one
        return None

    @property
    def classes(self) -> int:
        return max(1, len(self.settings.class_names))

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)

    def ordered(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        return list(arrange_outputs(outputs, height, width, classes=self.classes))

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        heat, box = outputs
        del height, width  # the maps have their own size
        if heat.shape[2] > 1 and not self.every_class:
            best = heat.argmax(axis=2)[:, :, None]
            others = np.arange(heat.shape[2]) != best
            heat = np.where(others, -np.inf, heat)
        per_class = [
            decode(heat[:, :, number], box, min_score=min_score, class_id=number)
            for number in range(heat.shape[2])
        ]
        return joined(per_class)

    def boxes(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        """With the votes of overlapping boxes of one class, see `nms.suppress`."""
        candidates = self.candidates(outputs, height, width, min_score).of_classes(self.wanted)
        if self.classes == 1:
            return suppress(candidates)
        parts = [suppress(candidates.where(candidates.class_ids == n)) for n in range(self.classes)]
        return joined(parts)


def decode(
    heat: npt.NDArray[Any],
    box: npt.NDArray[Any],
    *,
    min_score: float,
    stride: int = STRIDE,
    class_id: int = 0,
) -> Detections:
    """Cells whose score reaches `min_score`, as boxes, best first, overlaps still in.

    `heat` (rows, columns) holds logits, `box` (rows, columns, 4) log₂ of the distances from
    the cell's middle to left, top, right and bottom in strides. Cells that are not finite
    numbers are passed over.
    """
    if box.shape != (*heat.shape, 4) or heat.ndim != 2:
        raise InputError(
            f"a detector's maps are (rows, columns) and (rows, columns, 4), "
            f"received: {heat.shape} and {box.shape}"
        )
    logits = heat.reshape(-1)
    candidates = np.flatnonzero(logits >= _logit(min_score))
    if candidates.size > MAX_CANDIDATES:
        best = np.argpartition(-logits[candidates], MAX_CANDIDATES)[:MAX_CANDIDATES]
        candidates = candidates[best]
    distances = box.reshape(-1, 4)[candidates]
    finite = np.isfinite(logits[candidates]) & np.isfinite(distances).all(axis=1)
    candidates, distances = candidates[finite], distances[finite]
    order = np.argsort(-logits[candidates], kind="stable")
    candidates, distances = candidates[order], distances[order]
    rows, columns = np.divmod(candidates, heat.shape[1])
    middles = (np.column_stack([columns, rows]) + 0.5) * stride
    reach = np.exp2(np.clip(distances, *LOG_RANGE)) * stride
    xyxy = np.concatenate([middles - reach[:, :2], middles + reach[:, 2:]], axis=1)
    ids = np.full(len(xyxy), class_id, np.int64)
    return Detections(xyxy.astype(np.float32), sigmoid(logits[candidates]).astype(np.float32), ids)


def arrange_outputs(
    outputs: Sequence[npt.NDArray[Any]],
    height: int,
    width: int,
    *,
    stride: int = STRIDE,
    classes: int = 1,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(heat (n, rows, columns, classes), box (n, rows, columns, 4)) out of outputs for n images.

    Runtimes return them in either order and with channels first or last; the shapes decide, that
    of the boxes where a heat map has as many classes as rows and columns. Of four classes the heat
    map is the first. Raises InputError for the outputs of another kind of model.
    """
    rows, columns = height // stride, width // stride
    given = [output.shape[1:] for output in outputs]
    channels_first = (4, rows, columns) in given and (rows, columns, 4) not in given
    maps: list[npt.NDArray[Any]] = []
    for output in outputs:
        shape = output.shape[1:]
        last = shape in ((rows, columns, classes), (rows, columns, 4))
        if shape in ((classes, rows, columns), (4, rows, columns)) and (channels_first or not last):
            maps.append(output.transpose(0, 2, 3, 1))
        elif last:
            maps.append(output)
    if len(outputs) == len(maps) == 2 and classes != 4:
        maps.sort(key=lambda one: one.shape[3] != classes)
    channels_found = [one.shape[3] for one in maps]
    if len(outputs) != 2 or channels_found != [classes, 4] or len(maps[0]) != len(maps[1]):
        shapes = ", ".join(str(tuple(output.shape)) for output in outputs)
        raise InputError(
            f"not a detector: expected outputs (n, {rows}, {columns}, {classes}) and "
            f"(n, {rows}, {columns}, 4), received: {shapes}",
            hint="pass a detector that edgecnn trained, or name its head: --head NAME",
        )
    return maps[0], maps[1]


def _logit(score: float) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return float(np.log(score / (1 - score)))
