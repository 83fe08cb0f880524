"""Detection as a task: the two maps of every picture → boxes → COCO's averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from edgecnn.detection.answer import DEFAULT_MIN_SCORE, boxes_in
from edgecnn.detection.decode import arrange_outputs
from edgecnn.errors import InputError
from edgecnn.evaluation.detection import (
    Annotated,
    DetectionScores,
    check_truths,
    evaluate_detections,
)
from edgecnn.evaluation.tasks import Key, Outputs
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.registry import require
from edgecnn.results import Accuracy

LOWEST_SCORE = 0.01
"""Boxes from here on enter the averages, which are taken over all thresholds."""

RESAMPLES = 1000


class BoxScorer:
    """Scores a detector's heat and box maps against annotated pictures.

    Raises InputError when no picture has a box or the pictures were not letterboxed,
    MissingDependencyError without faster-coco-eval.
    """

    trained_metric = "test_ap50_95"

    def __init__(self, key: Key) -> None:
        if not isinstance(key.preprocessing, LetterboxPreprocessing):
            raise InputError(
                "the model does not letterbox its pictures: its boxes have no way back to them",
                hint="its manifest needs a preprocessing of kind 'letterbox'",
            )
        self._truth = cast("Sequence[Annotated]", key.truth)
        check_truths(self._truth)
        require("faster_coco_eval", "detect")  # now, and not when all has been measured
        self._preprocessing = key.preprocessing
        self._min_score = DEFAULT_MIN_SCORE if key.min_score is None else key.min_score

    def takes(self, outputs: Outputs) -> bool:
        try:
            self.arranged(outputs)
        except InputError:
            return False
        return True

    def arranged(self, outputs: Outputs) -> Outputs:
        """[heat (n, rows, columns, 1), box (n, rows, columns, 4)]."""
        return arrange_outputs(outputs, *self._preprocessing.shape[:2])

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """AP50-95, its 95% interval by bootstrap over the pictures; the other figures beside it.

        Recall and false alarms are at the threshold that the model ships with.
        """
        scores = self._scores(outputs, RESAMPLES)
        return Accuracy(
            "AP50-95",
            scores.ap50_95,
            scores.pictures,
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
            },
        )

    def beside_parent(
        self,
        accuracy: Accuracy,
        outputs: Outputs,  # noqa: ARG002 (averages of two models have no McNemar's test)
        reference: Outputs,
    ) -> Accuracy:
        return replace(accuracy, parent_value=self._scores(reference, 0).ap50_95)

    def _scores(self, outputs: Outputs, resamples: int) -> DetectionScores:
        heat, box = self.arranged(outputs)
        shape = self._preprocessing.shape
        found = [
            boxes_in(
                [heat[index : index + 1], box[index : index + 1]],
                shape,
                self._preprocessing.place(truth.height, truth.width),
                (truth.height, truth.width),
                min_score=LOWEST_SCORE,
            )
            for index, truth in enumerate(self._truth)
        ]
        return evaluate_detections(
            self._truth,
            found,
            min_score=self._min_score,
            input_side=max(shape[:2]),
            resamples=resamples,
        )
