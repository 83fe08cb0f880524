"""What a continued results file keeps: machine limits, best times, and the parent's accuracy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.benchmarking.accuracy import with_known_parent
from edgecnn.benchmarking.continuing import check_machine, continued
from edgecnn.results import Accuracy, Environment
from tests.unit.reporting import factory


def environment(**machine) -> Environment:
    return Environment(machine=machine)


def test_what_earlier_sessions_found_out_about_the_machine_stays():
    then = environment(
        reference_ns=5, memory_ns=7, limits={"threads": {"1": {"a": 1}, "2": {"a": 2}}}
    )
    now = environment(load_average=[0.5], limits={"threads": {"2": {"a": 3}, "4": {"a": 4}}})

    machine = continued(then, now).machine

    assert machine["limits"]["threads"] == {"1": {"a": 1}, "2": {"a": 3}, "4": {"a": 4}}
    assert (machine["reference_ns"], machine["memory_ns"]) == (5, 7)
    assert machine["load_average"] == [0.5]
    assert continued(environment(), environment(limits={"error": "no"})).machine["limits"] == {
        "error": "no"
    }


def test_a_machine_that_hides_its_board_or_has_another_kernel_is_the_same():
    results = factory.sample()
    here = results.environment
    machine = {**here.machine, "board": None, "governor": "powersave"}

    check_machine(results, replace(here, machine=machine, system={"kernel": "another"}))


KNOWN = Accuracy("top1", 0.9, 100, right="abc", parent_value=0.95, mcnemar_p=0.5)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Accuracy("top1", 0.9, 100, right="abc"), KNOWN),
        (Accuracy("top1", 0.9, 50, right="abc"), Accuracy("top1", 0.9, 50, right="abc")),
        (Accuracy("top1", 0.8, 100, right="xyz"), Accuracy("top1", 0.8, 100, right="xyz")),
        (None, None),
    ],
)
def test_the_same_answers_lose_as_much_against_the_parent_as_before(now, expected):
    assert with_known_parent(now, KNOWN) == expected
    assert with_known_parent(now, None) == now
