"""The study in the database of results: what is asked, told, lost and taken up."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.search.parameter import parameter
from edgecnn.search.space import SearchSpace
from edgecnn.search.storage import open_storage
from edgecnn.search.study import STARTUP, Study
from edgecnn.search.trials import SearchGoal, TrialMeasurement
from edgecnn.store import open_database
from tests.unit.store import made_up
from tests.unit.store.conftest import (  # noqa: F401 (fixtures)
    address,
    postgresql_address,
    postgresql_socket,
)

SPACE = SearchSpace(
    "lenet5",
    (
        parameter("width", {"low": 0.25, "high": 1.0, "step": 0.25, "first": 1.0}),
        parameter("kernel", {"choices": [3, 5], "first": 5}),
        parameter("rate", {"low": 0.1, "high": 10.0, "log": True, "first": 1.0}),
    ),
)
FIRST = {"width": 1.0, "kernel": 5, "rate": 1.0}


def measured(accuracy: float = 0.9, latency_ms: float = 1.0) -> TrialMeasurement:
    return TrialMeasurement(accuracy, latency_ms, 1_000, 50_000_000)


@pytest.fixture
def opened(tmp_path: Path):
    """Open the same study again and again, as commands that follow each other do."""
    found: list[Study] = []

    def again(name: str = "edgecnn test", wanted: SearchGoal | None = None, **more) -> Study:
        for each in found:
            each.close()
        where = str(tmp_path / "results.db")
        found.append(Study(name, SPACE, wanted or SearchGoal(), address=where, **more))
        return found[-1]

    yield again
    for each in found:
        each.close()


def test_trials_share_a_database_with_results(address):  # noqa: F811
    """Both keep a version of their tables under Alembic, and do not mix them up."""
    with open_database(address) as database:
        database.add(made_up.session(1))
    study = Study("edgecnn test", SPACE, SearchGoal(), address=address)
    number, values, _ = study.ask()
    study.complete(number, measured())
    study.close()
    with open_database(address) as database:
        assert len(database.sessions()) == 1
        names = set(sa.inspect(database.engine).get_table_names())
    assert {"measurements", "trials", "edgecnn_version", "alembic_version"} <= names
    again = Study("edgecnn test", SPACE, SearchGoal(), address=address)
    assert [each.parameters for each in again.trials()] == [values]
    again.close()


def test_trials_may_come_before_results(tmp_path: Path):
    where = str(tmp_path / "results.db")
    storage = open_storage(where)
    storage.remove_session()
    storage.engine.dispose()
    with open_database(where) as database:
        assert database.add(made_up.session(1)).new == 1


def test_the_first_trial_is_the_networks_own(opened):
    number, values, first = opened().ask()
    assert (number, values, first) == (0, FIRST, True)


def test_the_same_seed_draws_the_same(opened):
    def drawn(name: str, seed: int):
        study = opened(name, seed=seed)
        return [study.ask()[1] for _ in range(4)]

    assert drawn("edgecnn a", 3) == drawn("edgecnn b", 3) != drawn("edgecnn c", 4)


def test_trials_before_the_sampler_learns_are_variations_of_the_first(opened):
    study = opened()
    early = [study.ask()[1] for _ in range(STARTUP)][1:]
    assert FIRST not in early
    assert any(values[key] == FIRST[key] for values in early for key in FIRST)
    at_random = opened("edgecnn random", sampler="random")
    assert [at_random.ask()[1] for _ in range(STARTUP)][1:] != early


def test_a_restart_goes_on_with_the_same_variations(opened):
    whole = opened("edgecnn whole")
    expected = [whole.ask()[1] for _ in range(STARTUP)]
    seen = []
    for _ in range(STARTUP):
        study = opened("edgecnn parts")
        number, values, _ = study.ask()
        seen.append(values)
        study.complete(number, measured())
    assert seen == expected


def test_what_was_measured_is_there_after_a_restart(opened):
    study = opened(wanted=SearchGoal(max_latency_ms=2.0))
    number, _, _ = study.ask()
    study.note(number, "accuracies", [0.5, 0.9])
    study.note(number, "macs", 1234)
    study.complete(number, measured(0.93, 1.5))
    (trial,) = opened(wanted=SearchGoal(max_latency_ms=2.0)).trials()
    assert (trial.state, trial.measured, trial.first) == ("complete", measured(0.93, 1.5), True)
    assert (trial.accuracies, trial.macs) == ((0.5, 0.9), 1234)


def test_trials_of_a_process_that_is_gone_are_failed_and_tried_again(opened):
    study = opened()
    study.complete(study.ask()[0], measured())
    _, lost, _ = study.ask()
    study = opened()
    assert study.take_up() == 1
    number, values, _ = study.ask()
    assert (number, values) == (2, lost)
    states = [(each.state, each.counts) for each in study.trials()]
    assert states == [("complete", True), ("failed", False), ("running", False)]
    assert study.trials()[2].retry_of == 1


def test_after_too_many_losses_a_trial_is_given_up(opened):
    study = opened()
    assert [study.lose(study.ask()[0], "killed") for _ in range(3)] == [True, True, False]
    assert [each.counts for each in study.trials()] == [False, False, True]


def test_interruptions_are_not_the_trials_fault(opened):
    study = opened()
    for number in range(4):
        assert study.ask()[::2] == (number, True)
        study = opened()
        assert study.take_up() == 1
    assert study.ask()[::2] == (4, True)


def test_a_first_trial_that_was_given_up_is_tried_when_the_search_is_resumed(opened):
    study = opened()
    assert [study.lose(study.ask()[0], "killed") for _ in range(3)] == [True, True, False]
    study = opened()
    study.take_up()
    number, values, first = study.ask()
    assert (number, dict(values), first) == (3, FIRST, True)


def test_a_first_trial_that_failed_comes_first_again(opened):
    study = opened()
    study.fail(study.ask()[0], "no data there")
    assert opened().ask()[1:] == (FIRST, True)


def test_the_sampler_learns_from_pruned_failed_and_infeasible_trials(opened):
    """Optuna's sampler breaks on some studies with several objectives and pruned trials."""
    study = opened(wanted=SearchGoal(("accuracy", "latency", "size"), max_latency_ms=1.0))
    for index in range(16):
        number, values, _ = study.ask()
        study.note(number, "accuracies", [0.1, 0.2])
        if index % 4 == 1:
            study.prune(number, "below the median")
        elif index % 4 == 2:
            study.fail(number, "diverged")
        else:
            study.complete(number, measured(0.5 + values["width"] / 4, values["width"] * 1.5))
    states = [each.state for each in study.trials()]
    assert [states.count(each) for each in ("complete", "pruned", "failed")] == [8, 4, 4]


def test_importances_name_what_decides(opened):
    study = opened(sampler="random")
    assert study.importances("latency") == {}
    for _ in range(24):
        number, values, _ = study.ask()
        study.complete(number, measured(0.9, values["width"]))
    found = study.importances("latency")
    assert max(found, key=lambda name: found[name]) == "width"
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("table", ["trials", "studies"])
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path, table: str):
    path = tmp_path / "a.db"
    open_database(str(path)).close()
    with sqlite3.connect(path) as other:
        other.execute(f"CREATE TABLE {table} (verdict TEXT)")
    with pytest.raises(InputError, match=f"holds tables of something else: {table}"):
        open_storage(str(path))
    with sqlite3.connect(path) as other:
        assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_trials_of_another_version_of_optuna_are_refused(opened, tmp_path: Path):
    opened().close()
    with sqlite3.connect(tmp_path / "results.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'v9.9.9.a'")
    with pytest.raises(InputError, match="another version of Optuna"):
        open_storage(str(tmp_path / "results.db"))


def test_a_database_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(EdgeCNNError) as refused:
        open_storage("postgresql+psycopg://me:hunter2@127.0.0.1:1/results")
    assert refused.value.exit_code == 3
    assert "hunter2" not in refused.value.message + refused.value.hint


def test_what_a_database_holds_is_not_trusted(opened, tmp_path: Path):
    study = opened()
    study.complete(study.ask()[0], measured())
    with sqlite3.connect(tmp_path / "results.db") as database:
        database.execute("""UPDATE trial_user_attributes SET value_json = '{"accuracy": "high"}'
                            WHERE key = 'measured'""")
    (trial,) = opened().trials()
    assert (trial.state, trial.measured) == ("failed", None)


def test_without_the_extra_the_way_to_get_it_is_said(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(EdgeCNNError) as missing:
        open_storage(str(tmp_path / "a.db"))
    assert (missing.value.exit_code, missing.value.hint) == (3, "pip install 'edgecnn[search]'")
