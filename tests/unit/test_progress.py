"""Progress where no terminal is: plain lines on standard error."""

from __future__ import annotations

import pytest

from edgecnn.cli import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def told(clock, capsys, *calls):
    """The lines of a training, from (seconds later, done, total)."""
    with progress.shown() as show:
        for later, done, total in calls:
            clock[0] += later
            show("train", done, total, "epoch 1/2")
    return capsys.readouterr().err.splitlines()


def test_lines_tell_the_time_left(clock, capsys):
    lines = told(clock, capsys, (0, 0, 100), (12, 1, 100), (5, 2, 100), (12, 4, 100), (1, 100, 100))

    assert lines == [
        "train: 0/100 epoch 1/2",
        "train: 1/100 epoch 1/2 (0:19:48 left)",
        "train: 4/100 epoch 1/2 (0:11:36 left)",
        "train: 100/100 epoch 1/2",
    ]


def test_what_a_resumed_training_had_done_before_took_no_time(clock, capsys):
    lines = told(clock, capsys, (0, 0, 1), (20, 50, 100), (20, 60, 100))

    assert lines[1:] == ["train: 50/100 epoch 1/2", "train: 60/100 epoch 1/2 (0:01:20 left)"]
