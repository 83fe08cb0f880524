"""Time of a sequence model's answer: the encoder once, a decoder step for each id."""

from __future__ import annotations

import time
from typing import Any

from edgecnn.benchmarking.passes import Context
from edgecnn.errors import UnsupportedError
from edgecnn.runtimes.sequences import SequenceSession
from edgecnn.statistics.samples import p50_and_p90_ms

BUDGET_SECS = 5.0
FEWEST = 3


def find(context: Context) -> dict[str, Any]:
    """`encoder_ms`, `step_ms` and `sentence_ms` (p50, p90) over the samples at hand, `steps` a
    sentence (each a call of the step's graph), `ids` a sentence (the end counted in) and
    `ids_per_s` of all of them. Raises UnsupportedError for a model that answers at once.
    """
    session = context.session
    if not isinstance(session, SequenceSession):
        raise UnsupportedError("the model answers in one step")
    deadline = time.monotonic() + context.seconds(BUDGET_SECS)
    spent = []
    for invoke in context.invocations:
        invoke()
        spent += session.spent
        if len(spent) >= FEWEST and time.monotonic() > deadline:
            break
    steps = [each for answer in spent for each in answer.step_ns]
    return {
        "sentences": len(spent),
        "beam": session.decoding.beam,
        "encoder_ms": p50_and_p90_ms([answer.encoder_ns for answer in spent]),
        "step_ms": p50_and_p90_ms(steps),
        "sentence_ms": p50_and_p90_ms([answer.sentence_ns for answer in spent]),
        "steps": len(steps) / len(spent),
        "ids": sum(answer.ids for answer in spent) / len(spent),
        "ids_per_s": sum(answer.ids for answer in spent)
        * 1e9
        / max(1, sum(answer.sentence_ns for answer in spent)),
    }
