"""Our own head: a map of logits and a map of distances → boxes with scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.detection.detections import Detections, Scores
from edgecnn.detection.heads.base import Array, Clues, Head
from edgecnn.detection.nms import suppress
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import ImagePreprocessing, LetterboxPreprocessing

STRIDE = 8
MAX_CANDIDATES = 300
"""Cells that are looked at in one picture, best first: NMS takes quadratic time."""
LOG_RANGE = (-4.0, 7.0)
"""log₂ distances outside are cut: half a pixel and 1,024 pixels from the middle to a side."""


class HeatMap(Head):
    """Outputs (n, rows, columns, 1) and (n, rows, columns, 4), stride 8, one class."""

    name: ClassVar[str] = "heat_map"

    @classmethod
    def find(cls, clues: Clues) -> Postprocessing | None:
        rows, columns = clues.height // STRIDE, clues.width // STRIDE
        heat = {(rows, columns, 1), (1, rows, columns)}
        box = {(rows, columns, 4), (4, rows, columns)}
        shapes = clues.outputs
        if len(shapes) != 2 or not any(one in heat for one in shapes):
            return None
        return Postprocessing(cls.name) if any(one in box for one in shapes) else None

    @classmethod
    def classes_of(cls, outputs: Sequence[tuple[int | None, ...]]) -> int | None:  # noqa: ARG003
        return 1

    def preprocessing(self, height: int, width: int) -> ImagePreprocessing:
        return LetterboxPreprocessing(height, width, 3)

    def arranged(self, outputs: Sequence[Array], height: int, width: int) -> list[Array]:
        return list(arrange_outputs(outputs, height, width))

    def candidates(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        heat, box = outputs
        del height, width  # the maps have their own size
        return decode(heat[:, :, 0], box, min_score=min_score)

    def boxes(
        self, outputs: Sequence[Array], height: int, width: int, min_score: float
    ) -> Detections:
        """With the votes of overlapping boxes, see `nms.suppress`."""
        return suppress(self.candidates(outputs, height, width, min_score))


def decode(
    heat: npt.NDArray[Any], box: npt.NDArray[Any], *, min_score: float, stride: int = STRIDE
) -> Detections:
    """Cells whose score reaches `min_score`, as boxes, best first, overlaps still in.

    `heat` (rows, columns) holds logits, `box` (rows, columns, 4) log₂ of the distances from
    the cell's middle to left, top, right and bottom in strides. Cells that are no finite
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
    return Detections(xyxy.astype(np.float32), _sigmoid(logits[candidates]))


def split_outputs(
    outputs: Sequence[npt.NDArray[Any]], height: int, width: int, *, stride: int = STRIDE
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(heat (rows, columns), box (rows, columns, 4)) out of a session's outputs of batch 1.

    Raises InputError for the outputs of another kind of model.
    """
    heat, box = arrange_outputs(outputs, height, width, stride=stride)
    if len(heat) != 1:
        raise InputError(f"expected the outputs of one picture, received: {len(heat)}")
    return heat[0, :, :, 0], box[0]


def arrange_outputs(
    outputs: Sequence[npt.NDArray[Any]], height: int, width: int, *, stride: int = STRIDE
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(heat (n, rows, columns, 1), box (n, rows, columns, 4)) out of outputs for n pictures.

    Runtimes return them in either order and with channels first or last; the shapes tell.
    Raises InputError for the outputs of another kind of model.
    """
    rows, columns = height // stride, width // stride
    heat = box = None
    for output in outputs:
        shape = output.shape[1:]
        if shape in ((rows, columns, 1), (1, rows, columns)):
            heat = output.reshape(-1, rows, columns, 1)
        elif shape == (rows, columns, 4):
            box = output
        elif shape == (4, rows, columns):
            box = output.transpose(0, 2, 3, 1)
    if heat is None or box is None or len(outputs) != 2 or len(heat) != len(box):
        shapes = ", ".join(str(tuple(output.shape)) for output in outputs)
        raise InputError(
            f"not a detector: expected outputs (n, {rows}, {columns}, 1) and "
            f"(n, {rows}, {columns}, 4), received: {shapes}",
            hint="give a model made by edgecnn.training.stop_sign, or name its head: --head NAME",
        )
    return heat, box


def _logit(score: float) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return float(np.log(score / (1 - score)))


def _sigmoid(logits: npt.NDArray[Any]) -> Scores:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))), np.float32)
