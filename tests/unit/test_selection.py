"""One choice among measurements, by constraints and an objective."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edgecnn.selection import Limits, choose, front, unjudged


@dataclass(frozen=True)
class One:
    id: int
    p50: float | None = 1.0
    drop: float | None = 0.0
    size: float | None = 1e6
    peak_rss: float | None = 5e7
    accuracy: float | None = 0.9
    accuracy_low: float | None = 0.88
    accuracy_high: float | None = 0.92
    throughput: float | None = None
    energy: float | None = None
    state: str = "VALID"
    batch: int = 1
    ties: tuple[int, ...] = ()


def test_the_fastest_within_the_limits_is_taken():
    rows = [One(0, p50=1, drop=2.0), One(1, p50=3), One(2, p50=2)]
    found = choose(rows, Limits(drop=1.0))
    assert (found.best.id, found.runner_up.id, len(found.within)) == (2, 1, 2)


def test_a_noisy_row_is_taken_only_where_there_is_no_other():
    noisy, quiet = One(0, p50=1, state="NOISY"), One(1, p50=2)
    assert choose([noisy, quiet], Limits()).best is quiet
    assert choose([noisy], Limits()).best is noisy


@pytest.mark.parametrize(
    ("limits", "best"),
    [
        (Limits(p50=2.5), 1),
        (Limits(size=5e5), None),
        (Limits(peak_rss=4e7), 2),
        (Limits(objective="size"), 2),
        (Limits(objective="accuracy"), 2),
    ],
)
def test_each_limit_and_objective_decides(limits: Limits, best: int | None):
    rows = [
        One(0, p50=3),
        One(1, p50=2),
        One(2, p50=9, size=9e5, peak_rss=3e7, accuracy=0.95),
    ]
    found = choose(rows, limits).best
    assert (found.id if found else None) == best


def test_a_number_that_is_missing_keeps_no_limit_that_others_are_judged_by():
    assert choose([One(0, p50=1, drop=None), One(1, p50=2)], Limits(drop=1.0)).best.id == 1


def test_a_limit_that_nothing_has_a_number_for_is_ignored_and_named():
    rows = [One(0), One(1)]
    limits = Limits(energy=0.001)
    assert choose(rows, limits).best is rows[0]
    assert unjudged(rows, limits) == ["energy"]


def test_ties_are_set_apart_from_the_runner_up():
    rows = [One(0, p50=1, ties=(1,)), One(1, p50=1.01), One(2, p50=5)]
    found = choose(rows, Limits())
    assert ([each.id for each in found.ties], found.runner_up.id) == ([1], 2)


def test_nothing_to_choose_from_is_no_choice():
    assert choose([], Limits()).best is None


def test_the_front_holds_what_nothing_beats_in_both():
    rows = [One(0, p50=1, drop=3), One(1, p50=2, drop=3.5), One(2, p50=4, drop=0), One(3, p50=None)]
    assert [each.id for each in front(rows)] == [0, 2]
