"""What belongs together, directly or through others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecnn.disjoint_sets import DisjointSets

COUNT = 12
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=20)


def reachable(pairs: list[tuple[int, int]], start: int) -> set[int]:
    """By walking from one to the next."""
    found, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        near = {b for a, b in pairs if a == at} | {a for a, b in pairs if b == at}
        waiting += near - found
        found |= near
    return found


@given(PAIRS)
def test_members_of_a_set_have_one_leader_and_others_another(pairs):
    sets = DisjointSets(COUNT)
    for one, other in pairs:
        sets.join(one, other)
    for number in range(COUNT):
        together = {each for each in range(COUNT) if sets.leader(each) == sets.leader(number)}
        assert together == reachable(pairs, number)


def test_the_second_ones_leader_leads():
    sets = DisjointSets(3)
    sets.join(0, 2)
    assert [sets.leader(each) for each in range(3)] == [2, 1, 2]
