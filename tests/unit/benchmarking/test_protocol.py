"""How long to measure, and when it is enough."""

from __future__ import annotations

import pytest

from edgecnn.benchmarking.protocol import PROFILES, resolve
from edgecnn.errors import InputError
from edgecnn.stats import minimum_samples


def test_the_quick_profile_allows_a_p90_and_the_default_a_p99():
    assert PROFILES["quick"].min_runs >= minimum_samples(0.90)
    assert PROFILES["default"].min_runs >= minimum_samples(0.99)


def test_default_and_rigorous_take_at_least_five_processes():
    assert min(PROFILES["default"].processes, PROFILES["rigorous"].processes) >= 5


def test_single_numbers_override_a_profile():
    protocol = resolve("quick", min_runs=700, processes=3)
    assert (protocol.min_runs, protocol.processes) == (700, 3)
    assert protocol.max_secs == PROFILES["quick"].max_secs


def test_the_budget_grows_with_the_minimum():
    assert resolve("quick", min_secs=20).max_secs == 20


def test_a_smaller_budget_lowers_the_minimum():
    assert resolve("default", max_secs=1).min_secs == 1


def test_profiles_are_not_changed_by_resolving():
    before = PROFILES["quick"]
    resolve("quick", min_runs=1)
    assert PROFILES["quick"] is before
    assert before.min_runs == 64


@pytest.mark.parametrize(
    "numbers",
    [{"min_secs": 5, "max_secs": 1}, {"min_runs": 0}, {"processes": 0}, {"min_secs": -1}],
)
def test_nonsensical_numbers_are_refused(numbers: dict):
    with pytest.raises(InputError, match="received"):
        resolve("quick", **numbers)


def test_an_unknown_profile_offers_the_nearest():
    with pytest.raises(InputError) as failure:
        resolve("rigourous")
    assert "did you mean 'rigorous'" in failure.value.hint
