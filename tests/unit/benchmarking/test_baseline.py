"""The machine's best, remembered from session to session."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from edgecnn.benchmarking import baseline
from edgecnn.benchmarking.baseline import SESSIONS, QuietBaseline
from edgecnn.benchmarking.rounds import SessionProbes
from edgecnn.errors import InputError
from edgecnn.results import Block, Run

MACHINE = {"board": None, "cpu_model": "One", "architecture": "x86_64"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_best_of_all_sessions_is_remembered():
    QuietBaseline(MACHINE).remember("own", 150.0)
    QuietBaseline(MACHINE).remember("own", 130.0)
    assert QuietBaseline(MACHINE).reference_ns("own") == 130.0


def test_another_machine_and_another_python_have_their_own():
    QuietBaseline(MACHINE).remember("own", 130.0)
    assert QuietBaseline(MACHINE | {"cpu_model": "Other"}).reference_ns("own") is None
    assert QuietBaseline(MACHINE).reference_ns("tflite-runtime") is None


def test_a_machine_that_became_slower_for_good_is_believed_in_time(home: Path):
    QuietBaseline(MACHINE).remember("own", 100.0)
    for _ in range(SESSIONS):
        QuietBaseline(MACHINE).remember("own", 150.0)
    assert QuietBaseline(MACHINE).reference_ns("own") == 150.0


def test_old_sessions_are_forgotten(home: Path):
    QuietBaseline(MACHINE).remember("own", 130.0)
    (path,) = home.glob("baseline-*.json")
    for days, remembered in ((1, 100.0), (40, None)):
        path.write_text(json.dumps({"own": [[time.time() - days * 86_400, 100.0]]}))
        assert QuietBaseline(MACHINE).reference_ns("own") == remembered


@pytest.mark.parametrize(
    "text", ["", "[]", '{"own": 3}', '{"own": [[1, 2, 3]]}', '{"own": [["x", 1]]}']
)
def test_a_damaged_file_is_as_good_as_none(home: Path, text: str):
    QuietBaseline(MACHINE).remember("own", 130.0)
    (path,) = home.glob("baseline-*.json")
    path.write_text(text)
    assert QuietBaseline(MACHINE).reference_ns("own") is None


def test_a_file_that_cannot_be_written_costs_no_session(monkeypatch):
    """What `files` raises for a full disk, or for a file of somebody else."""

    def full(path: Path, text: str) -> None:
        raise InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(baseline, "write_text_atomically", full)
    QuietBaseline(MACHINE).remember("own", 130.0)
    assert QuietBaseline(MACHINE).reference_ns("own") is None


def test_a_session_beside_a_neighbor_from_first_to_last_is_seen_by_what_is_remembered():
    """Its own probes all take the same time: without a memory it would be called undisturbed."""
    blocks = tuple(Block(20 * i, 20, (150, 150), (10, 10)) for i in range(30))
    run = Run(1, 1, (), (1_000_000,) * 600, blocks=blocks)
    alone, remembering = SessionProbes(), SessionProbes(QuietBaseline(MACHINE))
    QuietBaseline(MACHINE).remember("own", 100.0)
    for probes in (alone, remembering):
        probes.add("own", run)
    assert alone.rejudge("own", run).quiet_median_ns == 1_000_000
    assert remembering.rejudge("own", run).quiet_median_ns is None


def test_a_session_with_few_looks_is_not_remembered(home: Path):
    probes = SessionProbes(QuietBaseline(MACHINE))
    probes.add("own", Run(1, 1, (), (1,), blocks=(Block(0, 1, (90, 90), (10, 10)),)))
    probes.remember()
    assert QuietBaseline(MACHINE).reference_ns("own") is None
