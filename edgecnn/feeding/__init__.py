"""Determine a model's preprocessing: inferred from the model, stated by the user, or refused.

A network that edgecnn trained carries its preprocessing in its manifest. Of every other one, only
the model itself, its metadata or its user can say; the statistics of the data that happen to be
at hand cannot.
"""

from __future__ import annotations

from edgecnn.deprecation import old_names
from edgecnn.feeding.choice import ChosenPreprocessing, choose_preprocessing, require_preprocessing
from edgecnn.feeding.inferred_input import (
    InferredInput,
    infer_from_file,
    infer_from_first_operators,
)

__all__ = [
    "ChosenPreprocessing",
    "InferredInput",
    "choose_preprocessing",
    "infer_from_file",
    "infer_from_first_operators",
    "require_preprocessing",
]


__getattr__ = old_names(__name__, {"Choice": "ChosenPreprocessing"})
