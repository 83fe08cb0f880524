"""Verify a converted sequence model against its parent.

Both answer the same samples, each in its own runtime; the gate looks at what the task measures
(BLEU), and without right answers at how many answers are the parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from edgecnn.evaluation.parity import sequence_parity
from edgecnn.evaluation.tasks import Outputs, Scorer
from edgecnn.preprocessing import Tensor
from edgecnn.results import Accuracy, Parity

if TYPE_CHECKING:
    from edgecnn.runtimes.base import Session


FEW_ANSWERS = 32
"""Random sources that both answer without data: each answer takes dozens of steps."""


def compare_sequences(
    session: Session,
    parent: Session,
    samples: Iterable[Tensor],
    *,
    predict: Callable[[Session, Iterable[Tensor]], Outputs],
    scorer: Scorer | None,
    parent_sha256: str,
) -> tuple[Parity, Accuracy | None, Accuracy | None]:
    """(parity, accuracy, the parent's accuracy); accuracies are None without a scorer."""
    reference, outputs = predict(parent, samples), predict(session, samples)
    compared = sequence_parity(reference[0], outputs[0], parent_sha256=parent_sha256)
    if scorer is None or not (scorer.accepts(outputs) and scorer.accepts(reference)):
        return compared, None, None
    before = scorer.accuracy(reference)
    after = scorer.with_parent(scorer.accuracy(outputs), outputs, reference)
    return compared, after, before
