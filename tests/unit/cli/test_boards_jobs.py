"""edgecnn boards jobs and cancel, on the queue in a database of its own."""

from __future__ import annotations

import pytest

from edgecnn.cli import invoke
from edgecnn.store import open_database

pytest.importorskip("sqlalchemy", reason="edgecnn[store] is not installed")


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECNN_DB", f"sqlite:///{tmp_path / 'results.db'}")
    with open_database() as database:
        for name in ("a", "b"):
            database.enqueue(name, "rpi5", {})
        yield database


def test_a_waiting_job_is_removed_and_the_others_stay(queue, capsys):
    assert invoke(["boards", "cancel", "1", "1"]) == 0
    assert capsys.readouterr().out == "job 1 removed\n"
    assert invoke(["boards", "jobs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["2"]


def test_a_job_under_way_stays_and_is_named(queue, capsys):
    queue.take("client", ["b"])
    assert invoke(["boards", "cancel", "1", "2", "7"]) == 2
    said = capsys.readouterr()
    assert said.out == "job 1 removed\n"
    assert "not removed: 2, 7" in said.err
    assert [job.id for job in queue.jobs()] == [2]
