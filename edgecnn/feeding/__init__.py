"""How a model wants its input prepared: proven from the model, stated by the user, or refused.

A network that edgecnn trained carries its preprocessing in its manifest. Of every other one, only
the model itself, its metadata or its user can say; the statistics of the data that happen to be
at hand cannot.
"""

from __future__ import annotations

from edgecnn.deprecation import old_names
from edgecnn.feeding.choice import ChosenPreprocessing, choose, must_know
from edgecnn.feeding.proof import Proof, prove_file, prove_front

__all__ = ["ChosenPreprocessing", "Proof", "choose", "must_know", "prove_file", "prove_front"]


__getattr__ = old_names(__name__, {"Choice": "ChosenPreprocessing"})
