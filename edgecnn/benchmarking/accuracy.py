"""Accuracy and parity of a runtime's own outputs, as a benchmark worker wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.parity import parity
from edgecnn.data.base import Dataset
from edgecnn.errors import GateError, InputError
from edgecnn.evaluation.classification import top1_accuracy
from edgecnn.results import Accuracy, Parity


def accuracy_of(outputs: npt.NDArray[Any], dataset: Dataset) -> Accuracy | None:
    """The task's metric of outputs (n, …) over the whole test split.

    None where the outputs are not class scores for this data set's labels: a foreign model
    of another task is measured all the same.
    """
    if dataset.task != "classification":
        return None
    if outputs.ndim != 2 or outputs.shape[1] != len(dataset.labels):
        return None
    return top1_accuracy(outputs, dataset["test"].labels)


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
