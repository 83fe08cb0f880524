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
from typing import Any, TypeVar

MOST_CLAIMS = 6
"""Files that are judged at most: each is a pass over all samples of the claim."""

Candidate = TypeVar("Candidate")


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
