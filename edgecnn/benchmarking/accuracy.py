"""Accuracy and parity of a runtime's own outputs, as a benchmark worker wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.loop.worker_outputs import output_paths
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.training_overlap import TrainingOverlap
from edgecnn.errors import GateError, InputError
from edgecnn.evaluation.parity import parity
from edgecnn.evaluation.tasks import Outputs, Scorer, open_scorer
from edgecnn.feeding.scoring import scoring_context
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.results import Accuracy, Parity


def scorer_for(
    dataset: Dataset,
    preprocessing: Preprocessing | None,
    manifest: Manifest,
    class_names: Sequence[str] = (),
) -> Scorer:
    """What scores a model's outputs for the whole test split.

    `class_names` are what the model calls its classes. Raises InputError where data and model do
    not fit, MissingDependencyError without the library that scores.
    """
    return open_scorer(
        dataset.task, scoring_context(dataset, "test", preprocessing, manifest, class_names)
    )


def accuracy_of(
    outputs: Outputs,
    scorer: Scorer,
    dataset: Dataset,
    manifest: Manifest,
    seen: TrainingOverlap | None = None,
) -> Accuracy | None:
    """The task's metric of outputs (n, …) over the whole test split.

    None where the outputs are not answers of this task: a foreign model of another task is
    measured all the same. What training measured is reported with it when the manifest speaks
    of the same data and its whole test split, and how many samples training saw where `seen` says.
    """
    if not scorer.accepts(outputs):
        return None
    accuracy = scorer.accuracy(outputs)
    if seen is not None and seen.count:
        accuracy = replace(accuracy, trained_on=seen.count, trained_on_exactly=seen.exact)
    if dataset.is_part or manifest.data.get("sha256") != dataset.sha256:
        return accuracy
    parent = manifest.conversion.get("parent", {})
    metrics = manifest.metrics or parent.get("metrics", {})
    return replace(accuracy, trained_value=metrics.get(scorer.trained_metric))


def with_known_parent(accuracy: Accuracy | None, earlier: Accuracy | None) -> Accuracy | None:
    """The accuracy with what an earlier session knew of the parent's, where the answers are the
    same as then: this session may have no outputs of the parent.
    """
    if accuracy is None or earlier is None:
        return accuracy
    same = ("metric", "value", "n", "right")
    if any(getattr(accuracy, name) != getattr(earlier, name) for name in same):
        return accuracy
    return replace(
        accuracy,
        parent_value=earlier.parent_value,
        mcnemar_p=earlier.mcnemar_p,
        drop_ci95=earlier.drop_ci95,
        paired_p=earlier.paired_p,
    )


def open_outputs(folder: Path) -> list[npt.NDArray[Any]]:
    """What a worker wrote: one array (n, …) for each of the model's outputs."""
    return [np.load(path, mmap_mode="r") for path in output_paths(folder)]


def parity_of(reference: Outputs, outputs: Outputs, parent_sha256: str | None) -> Parity | None:
    """Parity of two models' outputs; None where there is none to speak of.

    Outputs that differ in shape, or are NaN where the parent's are not, have no parity: the
    verdict on the outputs says what is wrong with them.
    """
    try:
        return parity(reference, outputs, parent_sha256=parent_sha256)
    except (InputError, GateError):
        return None
