"""Progress where no terminal is: plain lines on standard error."""

from __future__ import annotations

import time
from itertools import count
from types import SimpleNamespace

import pytest

from edgecnn.cli.screen import progress, timeline


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def told(clock, capsys, *calls):
    """The lines of a training, from (seconds later, done, total)."""
    with progress.progress_bar() as show:
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


def test_long_silence_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENCE_SECS", 0.05)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=count(100.0, 60.0).__next__))
    with progress.progress_bar() as show:
        show("read", 0, 100_000, "images")
        deadline = time.monotonic() + 30
        said = ""
        while "still working" not in said and time.monotonic() < deadline:
            said += capsys.readouterr().err
    assert said.startswith("read: 0/100000 images\nread: 0/100000 images … still working (0:0")


def test_where_the_time_went_is_one_line(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(timeline.time, "monotonic", lambda: now[0])
    noted = timeline.Timeline()
    show = noted.through(lambda *_: None)
    for secs, stage, message in ((2, "train", "epoch 1"), (9, "convert", "onnx"),
                                 (14, "benchmark", "a"), (40, "benchmark", "b"),
                                 (12, "report", "page"), (0.25, "report", "done")):  # fmt: skip
        now[0] += secs
        show(stage, 0, 1, message)
    now[0] += 3
    line = noted.line(rows=36)
    assert line == "80 s: start 2.0, training 9.0, conversion 14, 36 rows 52, report 3.2"
    assert next(noted.details()) == "   40.00 s  benchmark a"
