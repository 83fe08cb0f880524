"""Choose the scorer for a task.

A task is a file with a `Scorer` and a line in `registry.TASKS`. Whoever holds outputs (the
benchmark, the accuracy gate) opens a scorer by the data set's task and need not know which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from edgecnn.deprecation import adopt_old_method
from edgecnn.postprocessing import Postprocessing
from edgecnn.preprocessing import Preprocessing
from edgecnn.registry import TASKS
from edgecnn.results import Accuracy

Outputs = Sequence[npt.NDArray[Any]]


class Scorer(Protocol):
    """Scores a model's outputs, each (n, …), against the right answers for the same n samples."""

    trained_metric: str
    """What training calls the same figure in a manifest's metrics."""

    def accepts(self, outputs: Outputs) -> bool:
        """Whether the outputs are answers of this task: a foreign model may give others."""

    def ordered(self, outputs: Outputs) -> Outputs:
        """The outputs in one order and layout, whatever the runtime made of them."""

    def refusal(self, outputs: Outputs) -> str:
        """Why outputs that `accepts` refuses are not answers to the data, in words."""

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """The task's metric with its interval."""

    def with_parent(self, accuracy: Accuracy, outputs: Outputs, reference: Outputs) -> Accuracy:
        """`accuracy` with that of the float parent's outputs for the same samples."""


@dataclass(frozen=True)
class ScoringContext:
    """What a scorer needs to know.

    `ground_truth` holds a right answer for each sample, `labels` the names of the classes;
    `preprocessing` is what the samples went through, `min_score` the threshold that the model
    ships with, None where its manifest names none. `class_names` are what the model calls its
    classes where it says so, and `postprocessing` is how its outputs become boxes. `class_ids` are
    the ones that a detector is asked for (None for all); for a classifier the model's own numbers
    of `labels`, where the data have those (None elsewhere).
    """

    ground_truth: Sequence[Any] | npt.NDArray[Any]
    labels: Sequence[str]
    preprocessing: Preprocessing | None = None
    min_score: float | None = None
    class_names: Sequence[str] = ()
    class_ids: Sequence[int] | None = None
    postprocessing: Postprocessing | None = None


def open_scorer(task: str, context: ScoringContext) -> Scorer:
    """The scorer of a task.

    Raises InputError for an unknown task and for right answers that cannot be scored,
    MissingDependencyError without the library that scores.
    """
    kind = TASKS.load(task)
    adopt_old_method(kind, "arranged", "ordered")
    scorer: Scorer = kind(context)
    return scorer
