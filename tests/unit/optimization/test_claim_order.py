"""Which files are judged on the claim's samples, and that all judgments together are sure."""

from __future__ import annotations

import numpy as np

from edgecnn.optimization.claim_order import MOST_CLAIMS, claim_order, judge_in_order
from edgecnn.results.accuracy_drop import one_sided_bounds


def test_the_safest_comes_first_and_the_best_last():
    risks = {"int8": 3, "other int8": 3, "half": 2, "riskier": 4, "float": 0, "slow float": 0}
    assert claim_order(list(risks), lambda name: (risks[name],)) == ["float", "half", "int8"]
    assert claim_order([], lambda name: (name,)) == []


def test_of_many_the_safest_and_the_best_are_judged():
    order = claim_order(range(20), lambda number: (-number,))
    assert order == [19, 4, 3, 2, 1, 0]
    assert len(order) == MOST_CLAIMS


def judged(claims: list[bool | None]):
    return judge_in_order(range(len(claims)), lambda number, _: claims[number], bool)


def test_the_last_before_the_first_that_fails_is_kept_and_none_after_it_is_judged():
    found = judged([True, None, True, False, True, True])
    assert (found.kept, found.broken) == ((2, True), (3, False))
    assert (found.judged, list(found.left)) == (3, [4, 5])


def test_where_the_first_fails_or_none_can_be_judged_nothing_is_kept():
    assert judged([False, True]).kept is None
    found = judged([None, None])
    assert (found.kept, found.broken, found.judged, list(found.left)) == (None, None, 0, [])


def test_files_that_all_lose_too_much_are_accepted_in_one_of_twenty_cases_at_most():
    """Six files that lose 1.1 points where 1 is allowed. Trying one after the other until one
    passes accepts one in every sixth case.
    """
    rng = np.random.default_rng(0)
    n, cases = 1_000, 2_000
    lost = rng.binomial(n, 0.021, (cases, 6))
    gained = rng.binomial(n, 0.010, (cases, 6))
    known: dict[tuple[int, int], bool] = {}

    def passes(counts: tuple[int, int]) -> bool:
        if counts not in known:
            known[counts] = one_sided_bounds(*counts, n, 0.95)[1] <= 1.0
        return known[counts]

    passed = np.array([
        [passes((int(one), int(other))) for one, other in zip(*both, strict=True)]
        for both in zip(lost, gained, strict=True)
    ])  # fmt: skip
    one_after_the_other = passed.any(axis=1).mean()
    in_a_fixed_order = np.mean([judged(case).kept is not None for case in passed.tolist()])
    assert one_after_the_other > 0.1
    assert in_a_fixed_order <= 0.05
