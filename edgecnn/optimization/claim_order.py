"""The order in which files are judged on the claim's samples.

Each judgment may be wrong in 5 of 100 cases. Whoever tries one file after another until one passes
is wrong far more often (`tests/unit/optimization/test_claim_order.py` shows it). In an
order that was fixed before, and that ends at the first file that is not shown to keep the budget,
all judgments together are wrong in 5 of 100 (fixed-sequence test: Maurer, Hothorn and Lehmacher,
1995). So the safest file comes first, then those that are better and riskier, the best last. How
risky a file is must not be known from the claim's own samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

MOST_CLAIMS = 6
"""Files that are judged at most: each is a pass over all samples of the claim."""

Candidate = TypeVar("Candidate")
Claim = TypeVar("Claim")


@dataclass(frozen=True)
class Judgments(Generic[Candidate, Claim]):
    """What became of candidates judged in order: the last that `kept` the budget, the one that was
    not shown to (`broken`), how many were `judged`, and those `left` after the broken one.
    """

    kept: tuple[Candidate, Claim] | None
    broken: tuple[Candidate, Claim] | None
    judged: int
    left: Sequence[Candidate]


def claim_order(
    ranked: Sequence[Candidate], risk: Callable[[Candidate], tuple[Any, ...]]
) -> list[Candidate]:
    """Of candidates, best first, those worth judging, in the order to judge them: none is both
    worse and as risky as another.
    """
    steps: list[Candidate] = []
    for each in ranked:
        if not steps or risk(each) < risk(steps[-1]):
            steps.append(each)
    safest_first = steps[::-1]
    return [*safest_first[:1], *safest_first[1:][-(MOST_CLAIMS - 1) :]]


def judge_in_order(
    steps: Sequence[Candidate],
    claim_of: Callable[[int, Candidate], Claim | None],
    keeps: Callable[[Claim], bool],
) -> Judgments[Candidate, Claim]:
    """Judge one candidate after the other until the first that is not shown to keep the budget.

    `claim_of` is called with a place in `steps` and the candidate there; None means that it cannot
    be judged, and it is passed over.
    """
    kept: tuple[Candidate, Claim] | None = None
    judged = 0
    for number, one in enumerate(steps):
        claim = claim_of(number, one)
        if claim is None:
            continue
        judged += 1
        if not keeps(claim):
            return Judgments(kept, (one, claim), judged, steps[number + 1 :])
        kept = one, claim
    return Judgments(kept, None, judged, ())
