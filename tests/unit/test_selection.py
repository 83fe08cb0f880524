"""One choice among measurements, by constraints and an objective."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from edgecnn.selection import Constraints, choose, front, unjudged
from edgecnn.statistics.interval import Interval

AROUND_90 = Interval(0.9, 0.88, 0.92)


@dataclass(frozen=True)
class One:
    id: int
    p50: float | None = 1.0
    drop: float | None = 0.0
    drop_bound: float | None = None
    paired_p50: float | None = None
    paired_throughput: float | None = None
    size: float | None = 1e6
    peak_rss: float | None = 5e7
    accuracy: float | None = 0.9
    accuracy_interval: Interval = AROUND_90
    throughput: float | None = None
    energy: float | None = None
    state: str = "VALID"
    batch: int = 1
    ties: tuple[int, ...] = ()


def test_the_fastest_within_the_limits_is_taken():
    rows = [One(0, p50=1, drop=2.0), One(1, p50=3), One(2, p50=2)]
    found = choose(rows, Constraints(drop=1.0))
    assert (found.best.id, found.runner_up.id, len(found.within)) == (2, 1, 2)


def test_a_row_without_the_number_that_decides_does_not_compete():
    quiet, noisy = One(0, energy=None), One(1, energy=2.0, state="NOISY")
    assert choose([quiet, noisy], Constraints(objective="energy")).best is noisy
    found = choose([quiet], Constraints(objective="energy"))
    assert found.best is None
    assert found.within == (quiet,)


def test_a_noisy_row_is_taken_only_where_there_is_no_other():
    noisy, quiet = One(0, p50=1, state="NOISY"), One(1, p50=2)
    assert choose([noisy, quiet], Constraints()).best is quiet
    assert choose([noisy], Constraints()).best is noisy


@pytest.mark.parametrize("objective", ["size", "memory", "accuracy"])
def test_a_noisy_latency_does_not_matter_where_something_else_decides(objective: str):
    best = One(0, size=1, peak_rss=1, accuracy=0.9, p50=1, state="NOISY")
    other = One(1, size=2, peak_rss=2, accuracy=0.8, p50=2)
    assert choose([best, other], Constraints(objective=objective)).best is best
    assert choose([best, other], Constraints(objective=objective, p50=3)).best is other


def test_rounds_that_rows_share_rank_them_the_noisy_ones_too():
    noisy = One(0, p50=1.3, paired_p50=1.0, state="NOISY")
    quiet = One(1, p50=1.2, paired_p50=1.1)
    assert choose([quiet, noisy], Constraints()).best is noisy
    assert choose([quiet, replace(noisy, paired_p50=None)], Constraints()).best is quiet


def test_a_row_without_shared_rounds_is_ranked_by_its_median():
    paired, alone = One(0, p50=1.0, paired_p50=1.1), One(1, p50=1.05)
    assert choose([paired, alone], Constraints()).best is alone


def test_what_is_shown_to_keep_the_drop_comes_before_what_only_measured_so():
    faster = One(0, p50=1, drop=0.5, drop_bound=1.01)
    slower = One(1, p50=2, drop=0.5, drop_bound=0.99)
    assert choose([faster, slower], Constraints(drop=1.0)).best is slower
    assert choose([faster, slower], Constraints(drop=2.0)).best is faster
    assert choose([faster], Constraints(drop=1.0)).best is faster


def test_the_parent_shows_nothing_by_being_itself():
    parent, child = One(0, p50=9, drop=0.0, drop_bound=0.0), One(1, p50=1, drop_bound=7.0)
    assert choose([parent, child], Constraints(drop=1.0)).best is child


@pytest.mark.parametrize(
    ("limits", "best"),
    [
        (Constraints(p50=2.5), 1),
        (Constraints(size=5e5), None),
        (Constraints(peak_rss=4e7), 2),
        (Constraints(objective="size"), 2),
        (Constraints(objective="accuracy"), 2),
    ],
)
def test_each_limit_and_objective_decides(limits: Constraints, best: int | None):
    rows = [
        One(0, p50=3),
        One(1, p50=2),
        One(2, p50=9, size=9e5, peak_rss=3e7, accuracy=0.95),
    ]
    found = choose(rows, limits).best
    assert (found.id if found else None) == best


def test_a_number_that_is_missing_keeps_no_limit_that_others_are_judged_by():
    assert choose([One(0, p50=1, drop=None), One(1, p50=2)], Constraints(drop=1.0)).best.id == 1


def test_a_limit_that_nothing_has_a_number_for_is_ignored_and_named():
    rows = [One(0), One(1)]
    limits = Constraints(energy=0.001)
    assert choose(rows, limits).best is rows[0]
    assert unjudged(rows, limits) == ["energy"]


def test_ties_are_set_apart_from_the_runner_up():
    rows = [One(0, p50=1, ties=(1,)), One(1, p50=1.01), One(2, p50=5)]
    found = choose(rows, Constraints())
    assert ([each.id for each in found.ties], found.runner_up.id) == ([1], 2)


def test_nothing_to_choose_from_is_no_choice():
    assert choose([], Constraints()).best is None


def test_the_front_holds_what_nothing_beats_in_both():
    rows = [One(0, p50=1, drop=3), One(1, p50=2, drop=3.5), One(2, p50=4, drop=0), One(3, p50=None)]
    assert [each.id for each in front(rows)] == [0, 2]
