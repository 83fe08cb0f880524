"""A search whose files are measured on a board, over real SSH."""

from __future__ import annotations

import pytest

from edgecnn.cli import invoke
from edgecnn.results import Results
from edgecnn.search import settings
from edgecnn.store import open_database
from tests.integration.search.brief import BRIEF, measure_briefly

SEARCH = (
    "search", "--model", "simple", "--data", "digits", "--set", "width=0.25,0.5",
    "--set", "dropout=0.0", "--set", "kernel=3", "--epochs", "1", "--final-epochs", "1",
    "--max-drop", "100", "--trials", "2",
)  # fmt: skip


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        settings, "SearchSettings", settings.SearchSettings
    )  # as it was, after the test
    measure_briefly()


@pytest.mark.slow
def test_trials_train_here_and_their_files_are_measured_on_the_board(fleet, add, tmp_path, capsys):
    add("one", fleet.start("one"))
    out = tmp_path / "found"
    assert invoke([*SEARCH, "--on", "one", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "2 measured on litert:cpu on one" in said.out
    machine = fleet.machines["one"]
    assert machine.jobs == []  # what was measured came home and was cleared away
    with open_database() as database:
        jobs = database.jobs()
        assert {(job.board, job.state) for job in jobs} == {("one", "done")}
        assert len(jobs) == 4  # two trials, both in shared rounds, and the winner
    files = {path.name for path in machine.edgecnn.glob("models/*/*")}
    assert len(files) >= 2
    there = [*out.glob("trials/measured/*.json"), out / "finalists.json", out / "board.json"]
    assert len(there) == 4
    for path in there:
        results = Results.load(path)
        assert results.environment.machine["name"] == "one"
        assert results.protocol == BRIEF.to_dict()  # as this machine would have measured


@pytest.mark.slow
def test_a_board_that_is_away_ends_the_search_in_one_line_and_keeps_what_there_is(
    fleet, add, tmp_path, capsys
):
    add("one", fleet.start("one"))
    fleet.machines["one"].switch_off()
    assert invoke([*SEARCH, "--on", "one", "--out", str(tmp_path / "found")]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "one" in said
