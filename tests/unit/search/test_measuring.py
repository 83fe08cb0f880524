"""How a board is asked to measure what a search made: a stand-in takes the job, SSH has tests of
its own.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from edgecnn.boards import inventory
from edgecnn.boards.inventory import Board
from edgecnn.boards.job import BoardJob
from edgecnn.boards.work import JobOutcome
from edgecnn.results import Results
from edgecnn.search import search
from edgecnn.search.measuring import BoardTarget
from edgecnn.search.settings import DataName, SearchSettings
from tests.unit.formats.small_models import write_tflite
from tests.unit.reporting import factory


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[BoardJob]:
    """The jobs that a board gets; it measures whatever they ask for."""
    jobs: list[BoardJob] = []

    def measure_all(queue, boards, job, outs, say):
        jobs.append(job)
        rows = [factory.measurement(model=path.stem) for path in job.models.values()]
        results = Results(tuple(rows), factory.environment())
        return JobOutcome(results={boards[0].name: results})

    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path))
    monkeypatch.setattr(inventory, "choose", lambda names: [Board("ssh://host", name="pi")])
    monkeypatch.setattr("edgecnn.boards.work.measure_all", measure_all)
    return jobs


def test_a_board_measures_trials_and_finalists_by_the_protocols_of_the_search(asked, tmp_path):
    settings = SearchSettings("lenet5", DataName("digits"), on="pi", threads=2)
    target = search._target(settings, print)
    assert isinstance(target, BoardTarget)
    path = tmp_path / "0001.tflite"
    write_tflite(path)
    target.compare([path], tmp_path / "finalists.json", nullcontext)
    (finalists,) = asked
    begin = ("--runtimes", "litert:cpu", "--threads", "2", "--profile", "quick")
    assert finalists.words[: len(begin)] == begin
    assert {("--processes", "8"), ("--max-secs", "16")} <= set(pairs(finalists))
    target._job([path], settings.protocol, tmp_path / "one.json")
    assert ("--processes", "3") in pairs(asked[1])


def pairs(job: BoardJob) -> list[tuple[str, str]]:
    return list(zip(job.words, job.words[1:], strict=False))
