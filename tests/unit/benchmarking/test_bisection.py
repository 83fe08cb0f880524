"""Halving versions: the right one, in few environments, whatever cannot be tried."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest

from edgecnn.benchmarking.bisection import BisectionStep, classify_version, search
from edgecnn.errors import InputError
from tests.unit.reporting import factory


def known(count):
    return [f"1.{number}" for number in range(count)]


def trying(first_bad, skipped=()):
    """What an attempt says when versions are bad from `first_bad` on."""
    tried = []

    def attempt(version):
        number = int(version.partition(".")[2])
        tried.append(number)
        if number in skipped:
            return BisectionStep(version, "skipped", "no wheel")
        return BisectionStep(version, "bad" if number >= first_bad else "good", "")

    return attempt, tried


@pytest.mark.parametrize("count", [2, 3, 4, 5, 15, 16, 17, 18, 33])
def test_every_place_is_found_in_log2_plus_one_environments(count):
    for first_bad in range(1, count):
        attempt, tried = trying(first_bad)
        found = search(known(count), attempt)
        assert found.first_bad == f"1.{first_bad}"
        assert found.last_good == f"1.{first_bad - 1}"
        assert found.environments == 1 + len(tried) <= ceil(log2(count)) + 1
        assert len(set(tried)) == len(tried)


def test_sixteen_versions_take_five_environments_at_most():
    assert max(search(known(16), trying(first)[0]).environments for first in range(1, 16)) == 5


def test_a_version_that_cannot_be_tried_is_left_out_and_said():
    attempt, _ = trying(9, skipped=(7, 8))
    found = search(known(16), attempt)
    assert found.first_bad == "1.9"
    assert found.last_good == "1.6"
    assert found.between == ("1.7", "1.8")


def test_a_bad_version_that_is_good_is_an_answer():
    attempt, _ = trying(99)
    assert search(known(16), attempt).first_bad is None


def test_a_bad_version_that_cannot_be_tried_decides_nothing():
    attempt, _ = trying(99, skipped=(3,))
    with pytest.raises(InputError, match=r"1\.3 cannot be tried"):
        search(known(4), attempt)


def row(slowdown=1.0, **changes):
    return factory.measurement(slowdown=slowdown, **changes)


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (row(), "good"),
        (row(1.3), "bad"),
        (row(0.7), "good"),
        (row(status="crashed", runs=(), error="killed by SIGSEGV"), "bad"),
        (row(verdict="INVALID", reasons=("the output is the same for every input",)), "bad"),
        (replace(row(), accuracy=factory.answered(300)), "bad"),
        (row(status="unsupported", runs=(), cause="missing", error="no library"), "skipped"),
    ],
)
def test_a_version_is_bad_when_it_is_slower_less_accurate_or_breaks(second, outcome):
    assert classify_version(row(), second, "1.9", 0.03).outcome == outcome


def test_a_version_that_may_be_slower_is_neither_good_nor_bad():
    rng = np.random.default_rng(1)
    first, second = row(), row()
    runs = tuple(
        replace(run, samples_ns=tuple(int(time * factor) for time in run.samples_ns))
        for run, factor in zip(second.runs, rng.lognormal(0.1, 0.3, 5), strict=True)
    )
    assert classify_version(first, replace(second, runs=runs), "1.9", 0.03).outcome == "undecided"


def test_a_good_version_that_fails_is_bad_input():
    with pytest.raises(InputError, match="does not run this model"):
        classify_version(row(status="failed", runs=(), error="no"), row(), "1.9", 0.03)


def test_one_process_cannot_compare_two_versions():
    with pytest.raises(InputError, match="too few processes"):
        classify_version(row(processes=1), row(processes=1), "1.9", 0.03)
