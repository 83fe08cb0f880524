"""Detection as a task: a detector's outputs → boxes → COCO's averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from edgecnn.detection.answer import OURS, decode_ordered
from edgecnn.detection.detections import Detections
from edgecnn.detection.heads import Head, open_head
from edgecnn.detection.heads.base import missing_names_reason
from edgecnn.errors import InputError
from edgecnn.evaluation.detection import (
    Annotated,
    DetectionScores,
    check_ground_truth,
    drawn_averages,
    evaluate_detections,
)
from edgecnn.evaluation.parity import LEAST_LEVELS
from edgecnn.evaluation.tasks import Outputs, ScoringContext
from edgecnn.evaluation.value_ranges import quantization_step
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.registry import require
from edgecnn.results import Accuracy

LOWEST_SCORE = 0.01
"""Boxes from here on enter the averages, which are taken over all thresholds."""

RESAMPLES = 1000
LOOKED_AT = 4
"""Samples that show an output's quantization step."""


class BoxScorer:
    """Scores a detector's outputs against annotated images.

    Raises InputError when no image has a box, when nothing says where images lie in the
    network's input, and for a head that nobody knows; MissingDependencyError without
    faster-coco-eval.
    """

    trained_metric = "test_ap50_95"

    def __init__(self, context: ScoringContext) -> None:
        if not isinstance(context.preprocessing, ImagePreprocessing):
            raise InputError(
                "the model does not take images: its boxes have no way back to them",
                hint="its manifest needs a preprocessing of kind 'letterbox' or 'image'",
            )
        self._ground_truth = cast("Sequence[Annotated]", context.ground_truth)
        check_ground_truth(self._ground_truth)
        require("faster_coco_eval", "detect")  # now, and not when all has been measured
        self._preprocessing = context.preprocessing
        self._postprocessing = context.postprocessing or OURS
        self._class_ids = context.class_ids
        self._head = open_head(self._postprocessing, every_class=True, wanted=context.class_ids)
        self._best_head = open_head(self._postprocessing, wanted=context.class_ids)
        stated = (context.min_score, self._postprocessing.min_score, self._head.min_score)
        self._min_score = next(score for score in stated if score is not None)

    def accepts(self, outputs: Outputs) -> bool:
        return not self.refusal(outputs)

    def refusal(self, outputs: Outputs) -> str:
        try:
            self.ordered(outputs)
        except InputError as error:
            return error.with_hint
        if self._class_ids is not None:
            return ""
        return missing_names_reason(self._postprocessing, self._classes(outputs))

    def _classes(self, outputs: Outputs) -> int | None:
        return self._head.classes_of([tuple(output.shape[1:]) for output in outputs])

    def ordered(self, outputs: Outputs) -> Outputs:
        """The outputs that the head needs, each (n, …)."""
        return self._head.ordered(outputs, *self._preprocessing.shape[:2])

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """AP50-95, its 95% interval by bootstrap over the images; the other figures with it.

        Recall and false alarms are at the threshold that the model ships with, of the boxes that
        `detect` shows: a box is of its best class.
        """
        scores, best = self._scores(outputs, RESAMPLES)
        return Accuracy(
            "AP50-95",
            scores.ap50_95,
            scores.images,
            scores.ap50_95_ci95,
            further={
                "ap50": scores.ap50,
                "ap50_ci95": scores.ap50_ci95,
                "recall": scores.recall,
                "recall_small": scores.recall_small,
                "recall_medium": scores.recall_medium,
                "recall_large": scores.recall_large,
                "precision": scores.precision,
                "false_alarms_per_100": scores.false_alarms_per_100,
                "min_score": scores.min_score,
                "signs": scores.signs,
                "negatives": scores.negatives,
                "classes": scores.classes,
                "highest_score": best,
                "score_step": self._coarse_step(outputs),
            },
        )

    def scores(self, outputs: Outputs) -> DetectionScores:
        """The same figures without intervals, which take their time."""
        return self._scores(outputs, 0)[0]

    def resampled(self, outputs: Outputs, resamples: int) -> npt.NDArray[np.float64]:
        """(resamples,): AP50-95 of draws of the images, the same for all outputs; NaN for a
        draw without a box to find.
        """
        return drawn_averages(self._ground_truth, self._boxes(outputs), resamples)

    def _coarse_step(self, outputs: Outputs) -> float | None:
        """The quantization step of an output that holds boxes and scores, where it is so large
        that scores of 0…1 are lost in it.
        """
        ordered = self.ordered(outputs)
        if len(ordered) != 1:
            return None
        values = np.asarray(ordered[0][:LOOKED_AT], np.float32)
        values = values[np.isfinite(values)]
        step = quantization_step(np.unique(values), values.size)
        return step if step is not None and step * LEAST_LEVELS > 1 else None

    def with_parent(
        self,
        accuracy: Accuracy,
        outputs: Outputs,  # noqa: ARG002 (averages of two models have no McNemar's test)
        reference: Outputs,
    ) -> Accuracy:
        return replace(accuracy, parent_value=self._scores(reference, 0)[0].ap50_95)

    def _scores(self, outputs: Outputs, resamples: int) -> tuple[DetectionScores, float]:
        """What was scored, and the highest score of any box."""
        detections = self._boxes(outputs)
        scores = evaluate_detections(
            self._ground_truth,
            detections,
            best_boxes=None
            if self._classes(outputs) == 1
            else self._boxes(outputs, self._best_head),
            min_score=self._min_score,
            place=self._preprocessing.place,
            resamples=resamples,
        )
        best = max((float(each.scores[0]) for each in detections if len(each)), default=0.0)
        return scores, best

    def _boxes(self, outputs: Outputs, head: Head | None = None) -> list[Detections]:
        """Boxes in each image, one for each class that they have a score for, or as `head` has
        them.
        """
        ordered = self.ordered(outputs)
        return [
            self._placed([part[index] for part in ordered], ground_truth, head or self._head)
            for index, ground_truth in enumerate(self._ground_truth)
        ]

    def _placed(self, outputs: Outputs, ground_truth: Annotated, head: Head) -> Detections:
        """Boxes in one image, of ordered outputs without the batch."""
        return decode_ordered(
            outputs,
            self._preprocessing.shape,
            self._preprocessing.place(ground_truth.height, ground_truth.width),
            (ground_truth.height, ground_truth.width),
            min_score=LOWEST_SCORE,
            head=head,
        )
