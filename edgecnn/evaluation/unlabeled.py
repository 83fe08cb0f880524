"""Data without labels: a model runs on them, and accuracy is unknown."""

from __future__ import annotations

from edgecnn.errors import InputError
from edgecnn.evaluation.tasks import Outputs, ScoringContext
from edgecnn.results import Accuracy


class UnlabeledScorer:
    """Takes no outputs."""

    trained_metric = ""

    def __init__(self, context: ScoringContext) -> None:
        self._count = len(context.ground_truth)

    def accepts(self, outputs: Outputs) -> bool:  # noqa: ARG002
        return False

    def ordered(self, outputs: Outputs) -> Outputs:
        return outputs

    def refusal(self, outputs: Outputs) -> str:  # noqa: ARG002
        return f"the {self._count} samples have no labels"

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """Raises InputError: there is none."""
        raise InputError(self.refusal(outputs))

    def with_parent(self, accuracy: Accuracy, outputs: Outputs, reference: Outputs) -> Accuracy:  # noqa: ARG002
        return accuracy
