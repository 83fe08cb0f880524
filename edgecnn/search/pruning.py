"""Prune unpromising trials between epochs.

Optuna prunes studies with one objective only, so this is a rule of our own, on accuracy alone: a
trial ends behind an epoch when its best validation accuracy so far is below the median of what its
peers had reached by the same epoch. Peers are the trials whose network needs no more
multiplications: whoever is cheaper than all others is never ended, however slowly it learns, since
it may lie on the front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import median

FEWEST_PEERS = 4
"""Below so many peers at an epoch nothing is decided."""
SPARED = 0.25
"""The share of a trial's epochs in which it is left alone."""


@dataclass(frozen=True)
class LearningCurve:
    """Validation accuracy behind each epoch, and what an inference costs (multiplications)."""

    accuracies: tuple[float, ...]
    cost: float | None = None

    def best(self, epochs: int) -> float:
        """The best within the first `epochs`."""
        return max(self.accuracies[:epochs], default=0.0)


def is_hopeless(own: LearningCurve, others: Sequence[LearningCurve], epochs: int) -> bool:
    """Whether a trial of `epochs` in all should end where `own` stands now."""
    epochs_done = len(own.accuracies)
    if epochs_done >= epochs or epochs_done <= SPARED * epochs:
        return False
    limit = inf if own.cost is None else own.cost
    peers = [
        each.best(epochs_done)
        for each in others
        if len(each.accuracies) >= epochs_done and (each.cost is None or each.cost <= limit)
    ]
    return len(peers) >= FEWEST_PEERS and own.best(epochs_done) < median(peers)
