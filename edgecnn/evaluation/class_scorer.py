"""Classification as a task: top-1 against labels, and McNemar's test against the parent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgecnn.class_names import listed
from edgecnn.evaluation.chance import at_least, chance_level
from edgecnn.evaluation.classification import predictions, top1_accuracy
from edgecnn.evaluation.label_map import label_map
from edgecnn.evaluation.tasks import Outputs, ScoringContext
from edgecnn.results import Accuracy
from edgecnn.statistics.samples import mcnemar_p


class ClassScorer:
    """Scores one output of class scores (n, classes) against labels (n,)."""

    trained_metric = "test_accuracy"

    def __init__(self, context: ScoringContext) -> None:
        self._labels = tuple(context.labels)
        self._names = tuple(context.class_names)
        self._own = None if context.class_ids is None else tuple(context.class_ids)
        self._labeled = np.asarray(context.ground_truth)

    def accepts(self, outputs: Outputs) -> bool:
        return not self.refusal(outputs)

    def refusal(self, outputs: Outputs) -> str:
        if len(outputs) != 1 or outputs[0].ndim != 2:
            shapes = ", ".join(str(tuple(output.shape[1:])) for output in outputs) or "none"
            return f"one output of class scores is expected, the model gives: {shapes}"
        if self._own is not None and max(self._own, default=0) >= outputs[0].shape[1]:
            return (
                f"the labels are numbers up to {max(self._own)}, the model answers "
                f"{outputs[0].shape[1]:,} classes"
            )
        if self._places(outputs) is None:
            have = len(self._labels)
            return (
                f"the model answers {outputs[0].shape[1]:,} classes, the data set has {have} "
                f"({listed(self._labels, 3)}), and how they correspond is unknown: name the "
                "model's classes (--labels FILE), or give the data set's classes the model's or "
                "ImageNet's names"
            )
        return ""

    def _places(self, outputs: Outputs) -> tuple[int, ...] | None:
        """Which class of the model each label of the data is; None where that is not known."""
        if self._own is not None:
            return self._own
        return label_map(self._labels, self._names, outputs[0].shape[1])

    def _ground_truth(self, outputs: Outputs) -> npt.NDArray[np.int64]:
        """The right classes (n,), in the model's numbers."""
        places = self._places(outputs)
        assert places is not None, "outputs that were taken have a place for each label"
        classes: npt.NDArray[np.int64] = np.asarray(places, np.int64)[self._labeled]
        return classes

    def ordered(self, outputs: Outputs) -> Outputs:
        return outputs

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """Top-1 with what guessing would give."""
        ground_truth = self._ground_truth(outputs)
        accuracy = top1_accuracy(outputs[0], ground_truth)
        answers = predictions(outputs[0])
        chance = chance_level(ground_truth, answers, outputs[0].shape[1])
        hits = int((answers == ground_truth).sum())
        return replace(
            accuracy,
            chance=chance,
            chance_p=at_least(hits, accuracy.n, chance),
            answered=len(np.unique(answers[answers >= 0])),
        )

    def with_parent(self, accuracy: Accuracy, outputs: Outputs, reference: Outputs) -> Accuracy:
        """With McNemar's test of the samples in which the two differ."""
        right, parent_right = (
            predictions(arrays[0]) == self._ground_truth(arrays) for arrays in (outputs, reference)
        )
        p = mcnemar_p(int((right & ~parent_right).sum()), int((parent_right & ~right).sum()))
        return replace(accuracy, parent_value=float(parent_right.mean()), mcnemar_p=p)
