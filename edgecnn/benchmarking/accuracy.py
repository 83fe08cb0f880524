"""Accuracy and parity of a runtime's own outputs, as a benchmark worker wrote them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.base import Dataset
from edgecnn.errors import GateError, InputError
from edgecnn.evaluation.classification import predictions, top1_accuracy
from edgecnn.evaluation.parity import parity
from edgecnn.manifest import Manifest
from edgecnn.results import Accuracy, Parity
from edgecnn.stats import mcnemar_p


def accuracy_of(outputs: npt.NDArray[Any], dataset: Dataset, manifest: Manifest) -> Accuracy | None:
    """The task's metric of outputs (n, …) over the whole test split.

    None where the outputs are not class scores for this data set's labels: a foreign model
    of another task is measured all the same. What training measured is put beside it when
    the manifest speaks of the same data.
    """
    if not _is_classification(outputs, dataset):
        return None
    accuracy = top1_accuracy(outputs, dataset["test"].labels)
    if manifest.data.get("sha256") != dataset.sha256:
        return accuracy
    parent = manifest.conversion.get("parent", {})
    metrics = manifest.metrics or parent.get("metrics", {})
    return replace(accuracy, trained_value=metrics.get("test_accuracy"))


def beside_parent(
    accuracy: Accuracy, outputs: npt.NDArray[Any], reference: npt.NDArray[Any], dataset: Dataset
) -> Accuracy:
    """`accuracy` with the float parent's, and McNemar's test of the samples that differ."""
    labels = dataset["test"].labels
    right, parent_right = (predictions(array) == labels for array in (outputs, reference))
    p = mcnemar_p(int((right & ~parent_right).sum()), int((parent_right & ~right).sum()))
    return replace(accuracy, parent_value=float(parent_right.mean()), mcnemar_p=p)


def _is_classification(outputs: npt.NDArray[Any], dataset: Dataset) -> bool:
    return (
        dataset.task == "classification"
        and outputs.ndim == 2
        and outputs.shape[1] == len(dataset.labels)
    )


def parity_of(reference: Path, outputs: Path, parent_sha256: str | None) -> Parity | None:
    """Parity of two output files (.npy); None where there is none to speak of.

    Outputs that differ in shape, or are NaN where the parent's are not, have no parity: the
    verdict on the outputs says what is wrong with them.
    """
    pair = [np.load(path, mmap_mode="r") for path in (reference, outputs)]
    try:
        return parity(pair[:1], pair[1:], parent_sha256=parent_sha256)
    except (InputError, GateError):
        return None
