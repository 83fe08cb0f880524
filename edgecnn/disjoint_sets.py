"""Disjoint sets (union-find; Tarjan 1975)."""

from __future__ import annotations


class DisjointSets:
    """Sets of the numbers below `count`, each by itself at first and with a leader."""

    def __init__(self, count: int) -> None:
        self._leader = list(range(count))

    def leader(self, of: int) -> int:
        """The same for all members of a set."""
        leader = self._leader
        while leader[of] != of:
            leader[of] = leader[leader[of]]
            of = leader[of]
        return of

    def join(self, one: int, other: int) -> None:
        """Make one set of those of both; the leader of `other` leads it."""
        self._leader[self.leader(one)] = self.leader(other)
