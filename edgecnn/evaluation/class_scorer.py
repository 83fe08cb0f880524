"""Classification as a task: top-1 against labels, and McNemar's test beside the parent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.evaluation.chance import at_least, chance_level
from edgecnn.evaluation.classification import predictions, top1_accuracy
from edgecnn.evaluation.tasks import Key, Outputs
from edgecnn.results import Accuracy
from edgecnn.stats import mcnemar_p


class ClassScorer:
    """Scores one output of class scores (n, classes) against labels (n,)."""

    trained_metric = "test_accuracy"

    def __init__(self, key: Key) -> None:
        self._truth = np.asarray(key.truth)
        self._classes = len(key.labels)

    def takes(self, outputs: Outputs) -> bool:
        return len(outputs) == 1 and outputs[0].ndim == 2 and outputs[0].shape[1] == self._classes

    def arranged(self, outputs: Outputs) -> Outputs:
        return outputs

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """Top-1 with what guessing would give."""
        accuracy = top1_accuracy(outputs[0], self._truth)
        answers = predictions(outputs[0])
        chance = chance_level(self._truth, answers, self._classes)
        hits = int((answers == self._truth).sum())
        return replace(
            accuracy,
            chance=chance,
            chance_p=at_least(hits, accuracy.n, chance),
            answered=len(np.unique(answers[answers >= 0])),
        )

    def beside_parent(self, accuracy: Accuracy, outputs: Outputs, reference: Outputs) -> Accuracy:
        """With McNemar's test of the samples in which the two differ."""
        right, parent_right = (
            predictions(arrays[0]) == self._truth for arrays in (outputs, reference)
        )
        p = mcnemar_p(int((right & ~parent_right).sum()), int((parent_right & ~right).sum()))
        return replace(accuracy, parent_value=float(parent_right.mean()), mcnemar_p=p)
