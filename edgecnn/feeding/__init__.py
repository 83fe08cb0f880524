"""How a model wants its input prepared: proven from the model, stated by the user, or refused.

A network that edgecnn trained carries its preprocessing in its manifest. Of every other one, only
the model itself, its metadata or its user can say; the statistics of the data that happen to be
at hand cannot.
"""

from __future__ import annotations

from edgecnn.feeding.choice import Choice, choose, must_know
from edgecnn.feeding.proof import Proof, prove_file, prove_front

__all__ = ["Choice", "Proof", "choose", "must_know", "prove_file", "prove_front"]
