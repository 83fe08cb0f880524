"""How long to measure, and when it is enough."""

from __future__ import annotations

import click
import pytest

from edgecnn.benchmarking.protocol import PROFILES, Protocol, command_words, resolve
from edgecnn.cli import options
from edgecnn.errors import InputError
from edgecnn.search.settings import SearchSettings
from edgecnn.statistics.samples import minimum_samples


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
    assert resolve("quick", min_secs=20).max_secs >= 20 * PROFILES["quick"].processes


def test_a_smaller_budget_lowers_the_minimum():
    assert resolve("default", max_secs=0.2).min_secs == 0.2


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_enough_processes_for_an_interval(profile: str):
    assert PROFILES[profile].processes >= 4


@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_processes_of_a_row_may_take_keeps_its_budget(profile: str):
    protocol = PROFILES[profile]
    spent = 0.0
    for made in range(protocol.most):
        share = protocol.of_one_process(spent, made)
        spent += share.max_secs + share.warmup_max_secs
    assert spent <= protocol.sampling_secs + 1e-9
    assert protocol.sampling_secs + protocol.checking_secs == protocol.max_secs


def test_a_number_of_processes_that_was_asked_for_is_kept():
    assert resolve("quick", processes=3).most == 3
    assert resolve("quick").most > PROFILES["quick"].processes


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


@pytest.mark.parametrize(
    "protocol",
    [
        *PROFILES.values(),
        resolve("quick", processes=3),
        resolve("quick", processes=8, max_secs=16),
        resolve("default", min_secs=1 / 3, min_runs=30_000),
        resolve("default", max_secs=0.2),
        SearchSettings.protocol,
        SearchSettings.final_protocol,
    ],
)
def test_a_protocol_is_said_in_the_words_of_the_command_line(protocol: Protocol):
    assert of_words(command_words(protocol)) == protocol


def of_words(words: tuple[str, ...]) -> Protocol:
    """As `edgecnn benchmark` reads its options."""
    found: list[Protocol] = []

    @click.command()
    @options.protocol(default="default")
    def command(protocol: Protocol, threads: tuple[int, ...]) -> None:
        found.append(protocol)

    command.main(list(words), standalone_mode=False)
    return found[0]
